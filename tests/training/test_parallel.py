"""Work in copies of the process: the same results, and its errors are the caller's."""

import os
import signal

import pytest
import torch

from imlgcn.errors import InputError
from imlgcn.training.parallel import cores, each

needs_cores = pytest.mark.skipif(cores() < 2, reason="one core: everything is done here")


@pytest.mark.parametrize("parallel", [False, True])
def test_each_task_is_done_once(parallel):
    tasks = [lambda n=n: (n * n, torch.get_num_threads() > 0) for n in range(7)]
    found = dict(each(tasks, parallel=parallel))
    assert found == {n: (n * n, True) for n in range(7)}
    assert list(each([], parallel=parallel)) == []


@needs_cores
def test_the_work_is_done_in_other_processes():
    found = {pid for _, pid in each([os.getpid] * 6, parallel=True)}
    assert os.getpid() not in found


@pytest.mark.parametrize("parallel", [False, True])
def test_an_error_is_the_callers(parallel):
    def wrong():
        raise InputError("the loss became nan")

    with pytest.raises(InputError, match="the loss became nan"):
        list(each([wrong, wrong], parallel=parallel))


@needs_cores
def test_a_killed_process_is_not_waited_for():
    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(RuntimeError, match="was killed"):
        list(each([die] * 4, parallel=True))


@needs_cores
def test_nothing_is_left_when_the_caller_stops_early():
    import multiprocessing

    results = each([lambda: 1] * 8, parallel=True)
    next(results)
    results.close()
    assert multiprocessing.active_children() == []
