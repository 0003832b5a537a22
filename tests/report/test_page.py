"""The page as a whole: complete, safe, alone, and honest about what is missing."""

import base64
import hashlib
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from imlgcn.metrics import label_calibration_errors
from imlgcn.report import labels_table, sections, write_report
from imlgcn.report import page as page_module
from imlgcn.tagger import Part
from imlgcn.tagger.scores import Scores
from imlgcn.views import plane

LABELS = ("food", "dessert", "dog", "never tested")


def change_metrics(tagger, **new):
    path = tagger.path / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | new))


def test_it_is_written_into_the_folder_and_says_what_the_files_say(tagger, read):
    metrics = json.loads((tagger.path / "metrics.json").read_text())
    before = {path.name for path in tagger.path.iterdir()}
    path = write_report(tagger)
    assert path == tagger.path / "report.html"
    assert {each.name for each in tagger.path.iterdir()} - before == {"report.html"}
    words = read(tagger).words
    assert f"{metrics['mAP']:.1f}mAP % of iml_gcn" in words
    assert "protocol “default”" in words
    assert "−0.5 to +3.5, includes zero" in words
    for fact in ("my run", "cats & dogs.csv", "embedded:abc", "torch 2.15.0", "f00d", "seed: 7"):
        assert fact in words


def test_every_label_has_a_row_with_its_numbers(reported, page):
    metrics = json.loads((reported.path / "metrics.json").read_text())
    rows = {row[0]: row[2:] for row in page.rows if len(row) == 10 and row[0] in LABELS}
    scored = Scores(reported.path / "predictions.parquet", LABELS).split("test")
    errors = label_calibration_errors(scored.probabilities, scored.targets)
    assert set(rows) == set(LABELS)
    for index, name in enumerate(LABELS[:-1]):
        own = metrics["per_label"][name]
        calibration = reported.info.calibration
        expected = [
            f"{own['AP']:.1f}",
            str(own["positives"]),
            f"{calibration.threshold[index]:.2f}",
            *(f"{own[key]:.1f}" for key in ("precision", "recall", "F1")),
            f"{100 * errors[index]:.1f}",
            ("few" if calibration.positives[index] < 10 else "")
            + str(calibration.positives[index]),
        ]
        assert rows[name] == expected
    assert rows["never tested"][0] == "–"  # no average precision, and not 0.0
    assert rows["never tested"][4] == "–"


def test_it_is_one_file_that_asks_for_nothing(reported, page):
    text = (reported.path / "report.html").read_text(encoding="utf-8")
    assert not page.all("link")
    for _, attributes in page.elements:
        for key in ("src", "href", "action", "data"):
            assert attributes.get(key, "#").startswith(("#", "data:image/"))
    assert not re.search(r"url\((?!#)|@import|fetch\(|XMLHttpRequest", text)
    assert len(text) < 5e6


def test_only_its_own_script_may_run(reported, page):
    policies = [meta["content"] for meta in page.all("meta") if "http-equiv" in meta]
    text = (reported.path / "report.html").read_text(encoding="utf-8")
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = policies
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_names_from_others_stay_text(make_tagger, read):
    evil = "<script>alert(1)</script>"
    labels = (evil, '"><img src=x onerror=alert(2)>', "{{ 7 * 7 }}", "$\\bad{")
    tagger = make_tagger(labels)
    (tagger.path / "config.yaml").write_text(f"data: '{evil}'\n")
    change_metrics(tagger, failed_images={f"{evil}.jpg": "broken"})
    page = read(tagger)
    assert len(page.all("script")) == 1
    assert not page.all("img")
    assert not any(key.startswith("on") for _, each in page.elements for key in each)
    assert page.words.count(evil) >= 3  # table, settings, unreadable images
    assert "{{ 7 * 7 }}" in page.words
    assert "1 image could not be read and was left out" in page.words


def test_every_figure_has_words_and_every_id_is_its_own(page):
    drawings = page.all("svg")
    # difference, curves, reliability, graph, heat map, training; no embeddings: no plane
    assert len(drawings) == 1 + 3 + 1 + 1 + 1 + 2
    assert all(each["role"] == "img" and len(each["aria-label"]) > 20 for each in drawings)
    ids = [each["id"] for _, each in page.elements if "id" in each]
    assert len(ids) == len(set(ids))
    links = [each["href"] for _, each in page.elements if "href" in each]
    targets = {link[1:] for link in links if not link.startswith("data:image/")}
    assert targets <= set(ids)


def test_the_table_can_be_sorted_by_numbers_where_there_are_numbers(page):
    values = [cell["data-value"] for cell in page.all("td") if "data-value" in cell]
    assert len(values) == 8 * len(LABELS)
    assert "" in values  # undefined, sorted last by the script
    assert all(float(value) >= 0 for value in values if value)


@pytest.mark.parametrize(
    ("gone", "said", "not_drawn"),
    [
        ("log.jsonl", "no log.jsonl", "training loss"),
        ("predictions.parquet", "Before: the plain sigmoid", "Reliability diagram"),
        ("model.safetensors", "cannot be read", "Label graph"),
        ("config.yaml", "SHA-256 of model.safetensors", "seed"),
        ("metrics.json", "55.5mAP %", "includes zero"),  # the headline is in model.json too
    ],
)
@pytest.mark.parametrize("how", ["missing", "damaged"])
def test_a_missing_piece_costs_its_section_and_not_the_report(
    tagger, read, gone, said, not_drawn, how
):
    (tagger.path / gone).unlink()
    if how == "damaged":
        (tagger.path / gone).write_bytes(b'{"half: [\x00\xff')
    page = read(tagger)
    assert said in page.words
    assert len(page.rows) > len(LABELS)  # the table per label is always there
    assert not any(not_drawn in drawing["aria-label"] for drawing in page.all("svg"))


def test_with_nothing_but_the_model_card_there_is_still_a_report(tagger, read):
    for path in tagger.path.iterdir():
        path.unlink()
    words = read(tagger).words
    # gallery, calibration, context check, graph, heat map, plane, training
    assert words.count("Not shown") == 7
    assert "there is no comparison" in words


def test_without_a_control_none_is_shown(make_tagger, read):
    page = read(make_tagger(control=False, head=Part(name="linear")))
    said = page.words.replace("No control", "").replace("no control to compare", "")
    assert "control" not in said.replace("compare tagger and control on", "")
    assert not any("mAP points" in each["aria-label"] for each in page.all("svg"))
    assert "The head linear uses no graph" in page.words


def test_without_a_test_split_the_reader_is_warned(make_tagger, read):
    words = read(make_tagger(judged="val")).words
    assert "The data has no test split." in words
    assert "40 validation images" in words
    assert "test images" not in words


def test_undefined_metrics_are_dashes(tagger, read):
    names = ("mAP", "OF1", "ECE", "log_loss")
    nothing = dict.fromkeys(names)
    per_label = {"food": {"AP": None, "positives": 0, "precision": None}}
    change_metrics(tagger, **nothing, per_label=per_label, control=nothing, left_out=["food"])
    change_metrics(tagger, difference_to_control={"mAP": None, "low": None, "high": None})
    words = read(tagger).words
    assert "–mAP %" in words
    assert "no test image has them: food" in words
    assert "does not say which of the two is better" in words
    assert "None" not in words
    assert not re.search(r"\bnan\b", words)


def test_the_diagram_shows_the_plain_sigmoid_as_before(tagger, monkeypatch):
    drawn, draw = [], sections.views.reliability_figure
    monkeypatch.setattr(
        sections.views, "reliability_figure", lambda *pair: drawn.append(pair) or draw(*pair)
    )
    write_report(tagger)
    metrics = json.loads((tagger.path / "metrics.json").read_text())
    wanted = metrics["before_calibration"]["ECE"], metrics["ECE"]
    for curve, error in zip(drawn[0], wanted, strict=True):
        gaps = abs(curve.probability - curve.frequency) * curve.entries
        assert 100 * gaps.sum() / curve.entries.sum() == pytest.approx(error, rel=1e-3)


@pytest.mark.thorough
def test_many_labels_are_capped_where_they_would_not_be_read(make_tagger, read):
    labels = tuple(f"label number {i}" for i in range(200))
    tagger = make_tagger(labels, num_images=60)
    page = read(tagger)
    drawn = page.words.split("Only the most frequent pairs are")[1]
    assert int(drawn.split(" drawn: ")[1].split()[0]) <= 60
    assert sum(row[0].startswith("label number") for row in page.rows if len(row) == 10) == 200
    assert (tagger.path / "report.html").stat().st_size < 5e6


@pytest.mark.thorough
def test_the_page_of_very_many_labels_stays_small_and_says_what_it_leaves_out(
    make_tagger, read, monkeypatch
):
    monkeypatch.setattr(labels_table, "MOST_CURVES", 30)
    monkeypatch.setattr(plane, "MOST_DOTS", 85)
    names = tuple(f"label number {i}" for i in range(100))
    tagger = make_tagger(names, head=Part(name="linear"))
    weights = load_file(tagger.path / "model.safetensors")
    weights["head.linear.weight"] = np.random.default_rng(0).normal(size=(100, 6)).astype("f")
    which = {"label_vectors": "head.linear.weight"}
    save_file(weights, tagger.path / "model.safetensors", which)
    page = read(tagger)
    assert not any(each.get("class") == "spark" for each in page.all("svg"))
    assert "With more than 30 labels the curves of precision against recall are left out" in (
        page.words
    )
    assert set(names) <= {row[0] for row in page.rows if len(row) == 9}
    said = page.words.split("Only the most frequent labels are drawn, ")[1].split()
    assert 85 <= int(said[0]) < 100  # and those that are nearest to one of the 80 with a name
    assert said[1:3] == ["of", "100."]


def test_a_resumed_stage_keeps_its_later_lines_and_a_cut_line_is_left_out(tagger, read):
    rows = [(1, 9.0), (2, 8.0), (2, 4.0)]
    text = "\n".join(f'{{"stage": "s", "epoch": {e}, "loss": {x}}}' for e, x in rows)
    (tagger.path / "log.jsonl").write_text(text + '\n{"stage": "s", "ep')
    (figure,) = [e for e in read(tagger).all("svg") if "training loss" in e["aria-label"]]
    assert "s: 9.00 in epoch 1, 4.00 in epoch 2." in figure["aria-label"]


def test_the_same_folder_gives_the_same_bytes_whatever_the_readers_style(tagger):
    import matplotlib

    first = write_report(tagger).read_bytes()
    with matplotlib.rc_context({"text.usetex": True, "axes.facecolor": "red"}):
        assert write_report(tagger).read_bytes() == first
        assert matplotlib.rcParams["axes.facecolor"] == "red"  # and theirs is left as it was


def test_writing_needs_neither_torch_nor_pyplot(tagger):
    (tagger.path / "model.json").write_text(tagger.info.model_dump_json())
    code = (
        "import sys; from imlgcn.tagger import Tagger; from imlgcn.report import write_report\n"
        "write_report(Tagger.load(sys.argv[1]))\n"
        "print([m for m in ('torch', 'matplotlib.pyplot') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tagger.path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_failure_leaves_the_old_report_whole(tagger, monkeypatch):
    old = write_report(tagger).read_bytes()
    monkeypatch.setattr(page_module, "render", lambda template, parts: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_report(tagger)
    assert (tagger.path / "report.html").read_bytes() == old
