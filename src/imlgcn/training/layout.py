"""How many processes train, and who starts them: this one, torchrun, SLURM, or nobody.

Nothing here loads torch.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from imlgcn.errors import InputError

STARTED = "IMLGCN_PROCESSES_PER_NODE"  # in a process that `imlgcn.training.launch` has started
MOST = 1024  # processes of a node, and nodes


class Layout(NamedTuple):
    """The processes of one training.

    Attributes:
        processes: of each node.
        nodes: machines.
        rank: of this process among all, from 0; of the first of this node where it starts them.
        starter: "torchrun", "SLURM", "imlgcn" (a process started by another one of ours), or
            nothing, where this process starts them or is alone.
    """

    processes: int = 1
    nodes: int = 1
    rank: int = 0
    starter: str = ""

    @property
    def world(self) -> int:
        """How many processes there are."""
        return self.processes * self.nodes

    @property
    def local(self) -> int:
        """The number of this process on its node."""
        return self.rank % self.processes

    @property
    def starts(self) -> bool:
        """Whether this process is to start those of its node."""
        return self.world > 1 and not self.starter

    def quiet_torch(self) -> None:
        """Keep what DDP warns of from the terminal, in torch's C++ code; torch must load later."""
        if self.world > 1:
            os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")

    @classmethod
    def of(cls, processes_per_node: int | None = None, nodes: int | None = None) -> Layout:
        """Return the layout that the arguments and the environment ask for.

        Raises:
            InputError: they contradict each other, or what several nodes need is not said.
        """
        for name, given in (("processes_per_node", processes_per_node), ("nodes", nodes)):
            if given is not None and not 1 <= given <= MOST:
                raise InputError(f"{name}= takes 1 to {MOST}; got {given}")
        found = _started(os.environ)
        if found is None:
            wanted = cls(processes_per_node or 1, nodes or 1)
            return wanted._replace(rank=wanted.processes * _node(wanted.nodes))
        given_layout = (processes_per_node or found.processes, nodes or found.nodes)
        if given_layout != (found.processes, found.nodes):
            raise InputError(
                f"{found.starter} has started {found.processes} on each of {found.nodes} nodes, "
                f"and processes_per_node={given_layout[0]} nodes={given_layout[1]} ask for others: "
                f"leave the two out, they are known from {found.starter}"
            )
        return found


def _started(environment: Mapping[str, str]) -> Layout | None:
    """Return the layout of whoever has started this process as one of several, or None."""
    get = environment.get
    if STARTED in environment:
        return Layout(int(get(STARTED, 1)), int(get("NUM_NODES", 1)), int(get("RANK", 0)), "imlgcn")
    if "TORCHELASTIC_RUN_ID" in environment:
        here = int(get("LOCAL_WORLD_SIZE", 1))
        return Layout(here, int(get("WORLD_SIZE", 1)) // here, int(get("RANK", 0)), "torchrun")
    # within `srun`: a batch script has the variables of its tasks as well, but is one process
    if "SLURM_STEP_ID" in environment and (tasks := int(get("SLURM_NTASKS", 1))) > 1:
        nodes = int(get("SLURM_NNODES", 1))
        if tasks % nodes or "SLURM_NTASKS_PER_NODE" not in environment:
            raise InputError(
                f"SLURM has started {tasks} tasks on {nodes} nodes: give `--ntasks-per-node` in "
                "place of `--ntasks`, as many on each node"
            )
        return Layout(tasks // nodes, nodes, int(get("SLURM_PROCID", 0)), "SLURM")
    return None


def _node(nodes: int) -> int:
    """Return the number of this node; of one node it is 0."""
    if nodes == 1:
        return 0
    missing = [key for key in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK") if key not in os.environ]
    if missing:
        raise InputError(
            f"nodes={nodes}: the same command runs on every node, and finds the others by "
            "MASTER_ADDR and MASTER_PORT (of the first node) and NODE_RANK (0 to "
            f"{nodes - 1}) in the environment; {', '.join(missing)} not set. Or use torchrun or "
            "srun"
        )
    number = os.environ["NODE_RANK"]
    if not number.isdecimal() or int(number) >= nodes:
        raise InputError(f"NODE_RANK must be 0 to {nodes - 1}; got {number!r}")
    return int(number)
