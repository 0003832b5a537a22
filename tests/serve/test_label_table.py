"""The server by a label table: names, parents, hidden labels; the page decides alike."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import imlgcn
from imlgcn.data.label_table_file import read_label_table
from imlgcn.growing import changes
from imlgcn.labels.label_rows import LabelRow
from imlgcn.labels.label_table import LabelTable
from imlgcn.serve import knowledge
from imlgcn.tagger import Tagger
from imlgcn.tagger.folder import LABEL_TABLE
from label_tables import random_table

from .conftest import assert_refused, picture

SCRIPT = Path(imlgcn.__file__).parent / "serve" / "static" / "rules.js"
RULES = (
    LabelRow("red", name="rot", parents=("dark",)),
    LabelRow("square", show=False),
    LabelRow("blue", exclusive="hue"),
)


@pytest.fixture
def ruled(quick):
    quick.label_table = LabelTable.of(quick.labels, RULES)
    return quick


def tags_of(client, **query) -> dict:
    found = client.post("/v1/tags", content=picture(), params=query).json()["images"][0]
    return {tag["label"]: tag for tag in found["tags"]} | {"all": found.get("probabilities")}


def test_an_answer_has_label_and_name_where_they_differ_and_no_hidden_label(ruled, serving):
    found = tags_of(serving(ruled), threshold="0.5", all="true")
    assert found["red"]["name"] == "rot"
    assert "name" not in found["dark"]
    assert "square" not in found
    p = dict(zip(ruled.labels, found["all"], strict=True))
    assert found["dark"]["probability"] == p["dark"] >= p["red"]


def test_a_parent_comes_with_its_child_below_its_own_threshold(ruled, serving):
    row = LabelRow("dark", threshold=1.0)
    ruled.label_table = LabelTable.of(ruled.labels, [*RULES, row])
    found = tags_of(serving(ruled), threshold="0.5")
    assert found["dark"]["threshold"] == 1.0
    assert found["dark"]["probability"] < 1.0


def test_the_labels_say_what_the_table_says_where_it_is_not_the_default(ruled, quick, serving):
    found = {item["label"]: item for item in serving(ruled).get("/v1/labels").json()["labels"]}
    more = {
        k: {n: v for n, v in item.items() if n not in ("label", "threshold", "positives")}
        for k, item in found.items()
    }
    assert more == {
        "blue": {"exclusive": "hue"},
        "circle": {},
        "dark": {},
        "red": {"name": "rot", "parents": ["dark"]},
        "square": {"show": False},
    }
    quick.label_table = LabelTable.of(quick.labels)
    assert all(
        item.keys() == {"label", "threshold", "positives"} for item in knowledge.labels(quick)
    )


def test_the_table_can_be_downloaded_and_read_again(ruled, serving, tmp_path):
    answer = serving(ruled).get("/v1/label-table")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="label-table.csv"' in answer.headers["content-disposition"]
    (tmp_path / "again.csv").write_bytes(answer.content)
    assert read_label_table(tmp_path / "again.csv", ruled.labels) == ruled.label_table


NODE = """
import { decide, makeRules } from %s;
let text = "";
for await (const chunk of process.stdin) text += chunk;
const answers = JSON.parse(text).map(({ items, probabilities, thresholds, answers }) =>
  [...decide(makeRules(items), probabilities, thresholds, new Map(answers))].sort((a, b) => a - b));
console.log(JSON.stringify(answers));
"""


def in_the_page(cases: list[dict]) -> list[list[int]]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    code = NODE % json.dumps(SCRIPT.as_uri())
    done = subprocess.run(
        [node, "--input-type=module", "-e", code],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(done.stdout)


def case_of(table: LabelTable, p, t, answers=()) -> dict:
    items = [
        {"label": r.label, "show": r.show, "parents": list(r.parents), "exclusive": r.exclusive}
        for r in table.rows
    ]
    return {"items": items, "probabilities": list(p), "thresholds": list(t), "answers": answers}


def test_the_page_decides_as_the_server_does():
    cases, wanted = [], []
    for seed in range(100):
        generator = np.random.default_rng(seed)
        table = random_table(generator)
        p, t = generator.random((2, len(table.rows))).round(1)  # with ties
        cases.append(case_of(table, p, t))
        wanted.append(np.flatnonzero(table.decide(p, t).given).tolist())
    assert in_the_page(cases) == wanted


def test_an_answer_on_the_page_holds_for_what_is_above_or_below_it():
    rows = (
        LabelRow("dog", parents=("animal",)),
        LabelRow("animal"),
        LabelRow("in", exclusive="x"),
        LabelRow("out", exclusive="x"),
        LabelRow("gone", show=False),
    )
    p, t = [0.9, 0.1, 0.8, 0.7, 0.9], [0.5] * 5
    table = LabelTable(rows)
    cases = {
        (): [0, 1, 2],
        ((0, 0),): [2],
        ((1, 0),): [2],
        ((1, 1), (0, 0)): [1, 2],
        ((0, 1), (1, 0)): [0, 2],
        ((3, 1),): [0, 1, 3],
        ((4, 1),): [0, 1, 2, 4],
    }
    found = in_the_page([case_of(table, p, t, list(answers)) for answers in cases])
    assert dict(zip(cases, found, strict=True)) == cases


OTHER = "label;show;name;parents;threshold\nred;;rot;dark;0,25\nsquare;no;;;\n"


def test_another_table_is_checked_and_shown_as_a_server_started_with_it_would(
    tagger, serving, tmp_path
):
    client = serving(tagger, grow=False)
    before = client.get("/v1/labels").json()
    found = client.post("/v1/label-table", content=OTHER)
    assert found.status_code == 200, found.text
    (tmp_path / "other.csv").write_text(OTHER)
    started = serving(Tagger.load(tagger.path, label_table=tmp_path / "other.csv"))
    assert found.json()["labels"] == started.get("/v1/labels").json()["labels"]
    assert found.json()["thresholds"] == started.get("/v1/thresholds").json()
    assert found.json()["labels"] != before["labels"]
    assert client.get("/v1/labels").json() == before, "for nobody else"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("label,parents\nrde,\nred,drak\n", ("2 problems", "line 2", "'red'", "line 3", "'dark'")),
        ("label,parents\nred,dark\ndark,red\n", ("line 3: ", "dark > red > dark")),
        ("name,show\nred,yes\n", ("label",)),
        ("", ("the label table",)),
        (b"\xff\xfe\x00\xd8", ("the label table",)),
    ],
)
def test_wrong_rows_are_refused_with_line_and_nearest_name(quick, serving, content, words):
    answer = serving(quick).post("/v1/label-table", content=content)
    assert_refused(answer, 422, "bad_label_table", *words)
    assert "/tmp" not in answer.text


def test_a_table_is_written_into_the_tagger_only_if_the_server_may_and_undo_takes_it_back(
    own_kernel, serving
):
    table = own_kernel / LABEL_TABLE
    before = table.read_bytes()
    closed = serving(Tagger.load(own_kernel))
    assert_refused(closed.post("/v1/label-table?keep=1", content=OTHER), 403, "not_growing")
    client = serving(Tagger.load(own_kernel), grow=True)
    assert_refused(
        client.post("/v1/label-table?keep=1", content="label\nx"), 422, "bad_label_table"
    )
    assert (table.read_bytes(), changes(own_kernel)) == (before, [])

    done = client.post("/v1/label-table?keep=1", content=OTHER).json()
    assert (done["done"], done["labels"]) == ("use another label table", 5)
    assert Tagger.load(own_kernel).label_table.name_of("red") == "rot"
    labels = {item["label"]: item for item in client.get("/v1/labels").json()["labels"]}
    assert (labels["red"]["name"], labels["red"]["threshold"]) == ("rot", 0.25)
    assert client.post("/v1/labels/undo").json()["taken_back"] == "use another label table"
    assert table.read_bytes() == before


def test_a_table_is_not_kept_where_the_server_shows_another_one(own_kernel, serving):
    other = LabelTable.of(Tagger.load(own_kernel).labels, RULES)
    client = serving(Tagger.load(own_kernel, label_table=other), grow=True)
    answer = client.post("/v1/label-table?keep=1", content=OTHER)
    assert_refused(answer, 409, "other_table", "--label-table")
    assert changes(own_kernel) == []
