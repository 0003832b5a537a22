"""Who starts the processes of a training, and what contradicts that."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from imlgcn.errors import InputError
from imlgcn.training.layout import STARTED, Layout

TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "x",
    "LOCAL_WORLD_SIZE": "4",
    "WORLD_SIZE": "8",
    "RANK": "6",
}
SLURM = {
    "SLURM_STEP_ID": "0",
    "SLURM_NTASKS": "8",
    "SLURM_NTASKS_PER_NODE": "4",
    "SLURM_NNODES": "2",
    "SLURM_PROCID": "6",
}
KEYS = {*TORCHRUN, *SLURM, STARTED, "NODE_RANK", "MASTER_ADDR", "MASTER_PORT"}


@pytest.fixture
def within(monkeypatch):
    """Return a function that sets the environment."""

    def set_all(**values):
        for key in KEYS:
            monkeypatch.delenv(key, raising=False)
        for key, value in values.items():
            monkeypatch.setenv(key, value)

    set_all()
    return set_all


def test_without_a_word_a_training_is_alone(within):
    assert Layout.of() == Layout(1, 1, 0, "")
    assert not Layout.of().starts
    assert Layout.of(2).starts


@pytest.mark.parametrize(("starter", "variables"), [("torchrun", TORCHRUN), ("SLURM", SLURM)])
def test_the_place_is_known_from_who_has_started_the_process(within, starter, variables):
    within(**variables)
    found = Layout.of()
    assert found == Layout(4, 2, 6, starter)
    assert (found.world, found.local, found.starts) == (8, 2, False)
    assert Layout.of(4, 2) == found
    with pytest.raises(InputError, match=f"{starter} has started 4 on each of 2 nodes"):
        Layout.of(2)


def test_a_batch_script_of_slurm_outside_of_srun_is_one_process(within):
    within(**{key: value for key, value in SLURM.items() if key != "SLURM_STEP_ID"})
    assert Layout.of().world == 1


def test_tasks_that_are_not_as_many_on_each_node_are_refused(within):
    within(**{key: value for key, value in SLURM.items() if key != "SLURM_NTASKS_PER_NODE"})
    with pytest.raises(InputError, match="`--ntasks-per-node` in place of"):
        Layout.of()


def test_several_nodes_need_to_find_each_other(within):
    with pytest.raises(InputError, match="MASTER_ADDR, MASTER_PORT, NODE_RANK not set"):
        Layout.of(2, 3)
    within(MASTER_ADDR="a", MASTER_PORT="1", NODE_RANK="2")
    assert Layout.of(2, 3) == Layout(2, 3, 4, "")
    within(MASTER_ADDR="a", MASTER_PORT="1", NODE_RANK="3")
    with pytest.raises(InputError, match="NODE_RANK must be 0 to 2; got '3'"):
        Layout.of(2, 3)


@pytest.mark.parametrize("count", [0, -1, 5000])
def test_impossible_numbers_are_refused(within, count):
    with pytest.raises(InputError, match=f"processes_per_node= takes 1 to 1024; got {count}"):
        Layout.of(count)
    with pytest.raises(InputError, match="nodes= takes"):
        Layout.of(1, count)


def test_torch_is_told_to_be_quiet_before_it_loads_and_nobody_is_overruled(within, monkeypatch):
    within(**TORCHRUN)
    monkeypatch.setenv("TORCH_CPP_LOG_LEVEL", "")  # so that it is put back as it was
    monkeypatch.delenv("TORCH_CPP_LOG_LEVEL")
    Layout().quiet_torch()
    assert "TORCH_CPP_LOG_LEVEL" not in os.environ
    Layout.of().quiet_torch()
    assert os.environ["TORCH_CPP_LOG_LEVEL"] == "ERROR"
    monkeypatch.setenv("TORCH_CPP_LOG_LEVEL", "INFO")
    Layout.of().quiet_torch()
    assert os.environ["TORCH_CPP_LOG_LEVEL"] == "INFO"
    code = "import sys, imlgcn.pipeline, imlgcn.training.layout; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
