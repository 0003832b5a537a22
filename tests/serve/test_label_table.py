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
from imlgcn.labels.label_rows import LabelRow
from imlgcn.labels.label_table import LabelTable
from imlgcn.serve import knowledge
from label_tables import random_table

from .conftest import picture

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
