"""Inputs as people have them: read as meant, or refused with a hint that works; never otherwise."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from .expected import CASES, Case

# an option in a message, with its value: --delimiter '/'
OPTION = re.compile(r"--[a-z][a-z-]*(?:[ =](?:'[^']*'|\"[^\"]*\"|[^\s,;:)'\"]+))?")


FIRST = {}  # what the command of each case said, for both tests


def first_outcome(cli, cases, case: Case):
    if case.name not in FIRST:
        FIRST[case.name] = ask(cli, cases, case)
    return FIRST[case.name]


def ask(cli, cases, case: Case, *more: str):
    return cli("check", cases / case.data, *case.options, *more, "--no-images", "--json")


def read_as_meant(outcome, case: Case) -> bool:
    """Whether a check ended well, with the meant labels, counts and splits."""
    if outcome.code or case.labels is None:
        return False
    found = json.loads(outcome.out)
    counts = {label["name"]: label["present"] for label in found["labels"]}
    counts = {name: n for name, n in counts.items() if name not in case.may_have}
    return (
        counts == dict(case.labels)
        and found["num_images"] == case.images
        and found["splits"] == (case.splits or found["splits"])
    )


def hints(outcome) -> list[list[str]]:
    """Return the options that a refusal offers."""
    text = outcome.err
    if outcome.out:
        text += " ".join(x["message"] for x in json.loads(outcome.out)["problems"])
    found = dict.fromkeys(OPTION.findall(text))
    found.pop("--force", None)
    return [shlex.split(option.replace("=", " ", 1)) for option in found]


def seen(outcome) -> str:
    """Return what a check said, in a few lines."""
    if not outcome.out:
        return outcome.err
    found = json.loads(outcome.out)
    problems = [f"{x['level']}: {x['message']}" for x in found["problems"]]
    counts = {label["name"]: label["present"] for label in found["labels"]}
    return "\n".join([outcome.err, str(counts)[:300], *problems])


def test_every_case_of_the_archive_is_in_the_table(cases):
    assert sorted(case.name for case in CASES) == sorted(path.name for path in cases.iterdir())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_is_read_as_meant_or_refused_with_a_hint_that_works(cli, cases, case, tmp_path):
    first = first_outcome(cli, cases, case)
    if read_as_meant(first, case):
        return
    assert first.code in (1, 2), f"silently other labels: {seen(first)}"
    if case.labels is None:
        return
    offered = hints(first)
    (tmp_path / "names.txt").write_text("\n".join(case.names))
    for option in offered:
        option = [str(tmp_path / "names.txt") if word == "FILE" else word for word in option]
        if read_as_meant(ask(cli, cases, case, *option), case):
            return
    raise AssertionError(
        f"no hint gives the meant labels: {offered}\n{first.err}{first.out[:2000]}"
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_case_is_silently_read_as_other_labels(cli, cases, case):
    outcome = first_outcome(cli, cases, case)
    assert outcome.code or read_as_meant(outcome, case), seen(outcome)
