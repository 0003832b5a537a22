"""A node that was started with other options is noticed, and what differs is said."""

from __future__ import annotations

import pytest

from imlgcn.errors import InputError
from imlgcn.training.layout import Layout
from imlgcn.training.ranks import ALONE, Ranks
from imlgcn.training.resolve import plan_run
from imlgcn.training.same_options import check_same_options, options_of

HOW = {"out": "runs/a", "resume": False, "checkpoint_minutes": 5.0}


def of(data="photos.csv", how=(), **arguments):
    return options_of(plan_run(data, arguments), HOW | dict(how))


def check(*found, nodes=2):
    """Compare the options of processes, as the first of them."""
    ranks = Ranks(Layout(len(found) // nodes, nodes))
    given = iter([[str(options) for options in found], [*found]])
    ranks.gather = lambda value: next(given)
    check_same_options(ranks, found[0])
    return ranks


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: of(seed=5), "seed is 0 on node 0 and 5 on node 1; give the same command"),
        (
            lambda: of(set="fine_tuning.batch_size=9"),
            "fine_tuning.batch_size is .* and 9 on node 1",
        ),
        (lambda: of(head="linear"), 'head is "auto" on node 0 and "linear" on node 1'),
        (lambda: of(data="other.csv"), 'data is "photos.csv" on node 0 and "other.csv" on'),
        (lambda: of(delimiter=";"), 'delimiter is not given on node 0 and ";" on node 1'),
        (lambda: of(device="cpu"), 'device is "auto" on node 0 and "cpu" on node 1'),
        (lambda: of(preset="small"), 'preset is not given on node 0 and "small" on node 1'),
        (lambda: of(how={"resume": True}), "resume is false on node 0 and true on node 1"),
        (lambda: of(how={"out": "b"}), 'out is "runs/a" on node 0 and "b" on node 1'),
    ],
)
def test_any_option_that_differs_is_named_with_both_values(other, message):
    with pytest.raises(InputError, match=message):
        check(of(), of(), of(), other())


def test_the_same_options_pass_however_they_are_spelled():
    check(of(freeze=True, seed=0), of(set=["fine_tune=false", "seed=0"]))
    check_same_options(ALONE, of())


def test_processes_of_one_machine_are_named_and_many_differences_counted():
    with pytest.raises(InputError, match=r"on process 0 and .* on process 2.*\(and \d+ more\)"):
        check(of(), of(), of(epochs=2, seed=9, head="mlp"), nodes=1)


def test_all_processes_know_that_they_end_together():
    ranks = Ranks(Layout(1, 2, 1))
    given = iter([["a", "b"], [{"seed": "1"}, {"seed": "2"}]])
    ranks.gather = lambda value: next(given)
    with pytest.raises(InputError) as error:
        check_same_options(ranks, {"seed": "2"})
    assert ranks.agreed is error.value
