"""`imlgcn evaluate` prints and writes the numbers of training, and those that a paper reports."""

from __future__ import annotations

import json

import pytest

from imlgcn.metrics import PROTOCOLS, PUBLISHED


def test_evaluate_prints_and_writes_the_numbers_of_training(cli, tagger, shapes, tmp_path):
    out = tmp_path / "m.json"
    found = cli("evaluate", tagger.path, shapes, "--json", out)
    assert found.code == 0
    content = json.loads(out.read_text())
    assert content["mAP"] == pytest.approx(tagger.info.metrics["mAP"], abs=1e-3)
    assert f"{content['mAP']:.1f}" in found.out
    assert "test split, 12 images" in found.out
    assert cli("evaluate", tagger.path, shapes, "--split", "all").out.startswith("all split, 72")


@pytest.mark.parametrize("protocol", PUBLISHED)
def test_evaluate_prints_the_terms_of_a_paper_under_its_name(
    cli, tagger, shapes, tmp_path, protocol
):
    out = tmp_path / "m.json"
    found = cli("evaluate", tagger.path, shapes, "--protocol", protocol, "--json", out)
    content = json.loads(out.read_text())
    assert (found.code, content["protocol"]) == (0, protocol)
    assert f"protocol {protocol}" in found.out
    lines = {line.split()[1]: line for line in found.out.splitlines() if line.startswith("│")}
    for key in ("mAP", "CP", "CR", "CF1", "OP", "OR", "OF1"):
        assert "-" if content[key] is None else f"{content[key]:.1f}" in lines[key]
    assert f"{protocol}, top 3" in found.out or content["top3"] is None
    text = " ".join(found.out.split())
    assert f"As in {content['paper']}: uncalibrated scores, {content['threshold']}." in text
    assert ("(ebF1)" in text) == (protocol == "c_tran")
    assert ("computes mAP only" in text) == (protocol in ("ssgrl", "query2label"))


def test_evaluate_says_which_numbers_a_paper_leaves_undefined(cli, tagger, shapes, rewrite):
    def hide_red(row):
        labels = [name for name in row[1].split(";") if name != "red" or row[2] != "test"]
        return (row[0], ";".join(labels), row[2])

    found = cli("evaluate", tagger.path, rewrite(hide_red), "--protocol", "ml_gcn")
    assert found.code == 0
    text = " ".join(found.out.split())
    assert "Undefined: mAP, CR, CF1" in text
    assert "without empty labels" in text


def test_evaluate_lists_every_protocol_in_its_help(cli):
    words = cli("evaluate", "--help").out.replace("│", " ").split()
    known = {word.strip(".,:") for word in words}
    assert {*PROTOCOLS, *PUBLISHED} <= known


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--split", "training2"), "training2"),
        (("--protocol", "voc7"), "did you mean 'voc07'"),
        (("--protocol", "q2l"), "query2label"),
        (("--protocol", "mlgcn"), "did you mean 'ml_gcn'"),
    ],
)
def test_evaluate_refuses_what_it_does_not_know_and_writes_nothing(
    cli, tagger, shapes, tmp_path, arguments, words
):
    cli("evaluate", tagger.path, shapes, "--json", tmp_path / "m", *arguments).assert_refused(words)
    assert list(tmp_path.iterdir()) == []
