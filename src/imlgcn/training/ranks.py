"""The processes of one training and what they exchange; alone, everything is immediate.

Every process runs the same code. The first reads the data, writes, logs and speaks. What is
exchanged goes over gloo, in memory: a process that ends closes its connections, and the others
notice at once. Gradients are averaged by torch's DDP, through Lightning Fabric.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from inspect import signature
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed
from torch.nn.parallel import DistributedDataParallel

from imlgcn.engines.device import choose_device, precision_on
from imlgcn.errors import InputError
from imlgcn.stopping import Stopped, be_silent
from imlgcn.training.layout import Layout

if TYPE_CHECKING:
    from lightning.fabric import Fabric

Result = TypeVar("Result")
WAIT = timedelta(days=7)  # while the first trains heads; a process that ends is noticed at once
RESUME = "what was saved stays: resume=True with the same options goes on from there"
NO_RESULT = 75  # exit code of a training that has lost a process (EX_TEMPFAIL of sysexits.h)
_OF_DDP = "find_unused_parameters=True|Grad strides do not match|The AccumulateGrad node's stream"
LOST = ("gloo", "Connection closed by peer", "Connection reset by peer", "Broken pipe")


# of DDP; older versions of torch call it otherwise
_KNOWN = signature(DistributedDataParallel.__init__).parameters
NO_BUFFERS: dict[str, Any] = {
    ("forward_sync_buffers" if "forward_sync_buffers" in _KNOWN else "broadcast_buffers"): False
}


class LostProcessError(InputError):
    """One of several processes has ended before the others."""

    exit_code = NO_RESULT


class Ranks:
    """One process among those of a training."""

    def __init__(self, layout: Layout = Layout()) -> None:  # noqa: B008  # it cannot be changed
        self.layout, self.rank, self.world = layout, layout.rank, layout.world
        self.first = not layout.rank
        self.fabric: Fabric | None = None  # of all processes; None: alone
        self.agreed: BaseException | None = None  # an error that every process has
        self._group: Any = None

    @property
    def mine(self) -> slice:
        """What this process takes of a sequence that is shared out."""
        return slice(self.rank, None, self.world)

    def device(self, name: str) -> str:
        """Return the device of this process.

        Raises:
            InputError: the machine does not have as many.
        """
        if self.world == 1:
            return name
        kind = choose_device(name).type
        if kind == "mps" or ":" in name:
            raise InputError(
                f"device={name!r} is one device, for one process: give device='cpu' or 'cuda' with "
                "processes_per_node="
            )
        here = torch.cuda.device_count()
        if kind == "cuda" and self.layout.processes > here:
            raise InputError(
                f"processes_per_node={self.layout.processes}: torch sees {here} CUDA GPUs here, "
                f"and each process takes one: give processes_per_node={here}"
            )
        return f"cuda:{self.layout.local}" if kind == "cuda" else kind

    def connect(self, name: str) -> None:
        """Wait until all processes are there; ``name`` is the device of the run."""
        if self.world == 1:
            return
        from lightning.fabric import Fabric
        from lightning.fabric.plugins.environments.lightning import LightningEnvironment
        from lightning.fabric.strategies.ddp import DDPStrategy

        for part in ("fabric", "pytorch"):  # each process would say its rank
            logging.getLogger(f"lightning.{part}").setLevel(logging.WARNING)
        device = torch.device(self.device(name))
        ours = LightningEnvironment() if self.layout.starter == "imlgcn" else None
        fabric = Fabric(
            accelerator=device.type,
            devices=self.layout.processes,
            num_nodes=self.layout.nodes,
            precision=precision_on(device),
            # statistics of batch norms are those of the first process: its average is validated
            strategy=DDPStrategy(
                cluster_environment=ours,
                find_unused_parameters=True,
                gradient_as_bucket_view=True,
                **NO_BUFFERS,
            ),
        )
        fabric.launch()
        self._group = distributed.new_group(backend="gloo", timeout=WAIT)
        self.fabric = fabric

    def gather(self, value: Result) -> list[Result]:
        """Return the values of all processes, in their order; an object that can be pickled."""
        if self.world == 1:
            return [value]
        found: list[Any] = [None] * self.world
        distributed.all_gather_object(found, value, group=self._group)
        return found

    def add(self, values: Sequence[Any]) -> list[Any]:
        """Return the sums over the processes of some numbers or arrays, each by itself."""
        return [sum(parts[1:], start=parts[0]) for parts in zip(*self.gather(values), strict=True)]

    def sum(self, value: float) -> float:
        """Return the sum of a number over the processes."""
        return self._reduced(value, distributed.ReduceOp.SUM)

    def largest(self, value: float) -> float:
        """Return the largest number of all processes."""
        return self._reduced(value, distributed.ReduceOp.MAX)

    def _reduced(self, value: float, how: Any) -> float:
        if self.world == 1:
            return value
        found = torch.tensor(value, dtype=torch.float64)
        distributed.all_reduce(found, how, group=self._group)
        return float(found)

    def from_first(self, make: Callable[[], Result]) -> Result:
        """Return in every process what ``make`` returns in the first; nowhere else it is called."""
        if self.world == 1:
            return make()
        found = [make() if self.first else None]
        distributed.broadcast_object_list(found, src=0, group=self._group)
        return found[0]  # type: ignore[return-value]

    def state_of_first(self, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        """Return the weights that ``make`` returns in the first process; elsewhere on the CPU."""
        if self.world == 1:
            return make()
        return self.from_first(lambda: {key: value.cpu() for key, value in make().items()})

    def send(self, value: object) -> None:
        """Give what the first process has to all others, which call :meth:`received`."""
        self.from_first(lambda: value)

    def received(self) -> Any:
        """Return what the first process sends."""
        return self.from_first(lambda: None)

    def each_row(self, rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
        """Yield the ``rows`` (N_r, ...) of each process in turn; they differ in number only."""
        shapes = self.gather(rows.shape)
        width = max(shape[1:] for shape in shapes)  # without rows it is not known everywhere
        for rank, (count, *_) in enumerate(shapes):
            block = np.empty((count, *width), rows.dtype)
            if rank == self.rank and count:
                block[:] = rows
            if block.size:  # bytes: gloo does not know every type
                raw = torch.from_numpy(block.reshape(-1).view(np.uint8))
                distributed.broadcast(raw, src=rank, group=self._group)
            yield block

    def together(self, work: Callable[[], Result]) -> Result:
        """Do ``work`` in every process; what stops it in one stops it in all, with its error."""
        if self.world == 1:
            return work()
        error: InputError | Stopped | None = None
        try:
            result = work()
        except (InputError, Stopped) as caught:
            error = caught
        self.agree(error)
        return result

    def agree(self, error: InputError | Stopped | None) -> None:
        """Raise the first process's ``error`` in all of them, if any has one."""
        own = (error.number, str(error)) if isinstance(error, Stopped) else error
        found = next((each for each in self.gather(own) if each is not None), None)
        if found is not None:
            self.agreed = Stopped(*found) if isinstance(found, tuple) else found
            raise self.agreed

    def wait(self) -> None:
        """Wait for the others, and part."""
        if self.world > 1:
            self.gather(None)
            distributed.destroy_process_group()


ALONE = Ranks()


@contextmanager
def joined(layout: Layout) -> Iterator[Ranks]:
    """Yield this process's place; of what ends all of them, only the first one speaks.

    Raises:
        LostProcessError: another process has ended.
        SystemExit: the same in all but the first, or the first says why all end.
    """
    if layout.world == 1:
        yield ALONE
        return
    warnings.filterwarnings("ignore", _OF_DDP)
    ranks = Ranks(layout)
    if not ranks.first:
        be_silent()
    try:
        yield ranks
    except BaseException as error:
        if _is_loss(error):
            if not ranks.first:
                raise SystemExit(NO_RESULT) from None
            if ranks.fabric is None:
                raise LostProcessError(
                    f"the {layout.world} processes cannot reach each other ({error}): check "
                    "MASTER_ADDR and MASTER_PORT, which must be free on the first node"
                ) from None
            raise LostProcessError(
                f"one of the {layout.world} processes has ended, and the training with it; {RESUME}"
            ) from None
        known = ranks.agreed is error or isinstance(error, Stopped) or ranks.fabric is None
        if not ranks.first and known and isinstance(error, InputError | Stopped):
            raise SystemExit(error.exit_code) from None
        raise


def _is_loss(error: BaseException) -> bool:
    """Return whether an error says that a connection to another process is gone."""
    if isinstance(error, distributed.DistError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in LOST)
