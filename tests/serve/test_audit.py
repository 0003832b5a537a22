"""Doubtful labels behind a server: its page, and answers that become a new CSV."""

from __future__ import annotations

import re
import shutil

import pytest

from imlgcn.auditing import correct
from imlgcn.data.dataset import load_dataset
from imlgcn.serve import ServeSettings, create_app
from imlgcn.tagger import Tagger

from .conftest import assert_refused

ANSWERS = "image,label,answer\n03.png,dark,yes\n07.png,dark,no\n05.png,red,\n"


@pytest.fixture
def own_data(own_kernel, shapes, tmp_path):
    """A copy of the data that a copy of the tagger was trained on; its CSV."""
    table = shutil.copytree(shapes.parent, tmp_path / "data") / shapes.name
    config = own_kernel / "config.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(re.sub("(?m)^data: .*$", f"data: {table}", text), encoding="utf-8")
    return table


@pytest.fixture
def client(own_kernel, own_data, serving):
    return serving(Tagger.load(own_kernel), audit=str(own_kernel))


def test_answers_become_a_new_csv_as_the_command_writes_it(client, own_data, tmp_path):
    assert client.get("/v1/model").json()["can"]["audit"] is True
    before = own_data.read_bytes()
    found = client.post("/v1/audit/answers", content=ANSWERS).json()
    name = f"{own_data.stem}-corrected.csv"
    assert (found["file"], found["says"].split("; ")[1]) == (
        name,
        f"saved as {name}, beside the data.",
    )
    (tmp_path / "answers.csv").write_text(ANSWERS)
    by_command = own_data.with_name("by-command.csv")
    assert found["changed"] == correct(own_data, tmp_path / "answers.csv", by_command)
    assert own_data.with_name(name).read_bytes() == by_command.read_bytes()
    corrected = load_dataset(own_data.with_name(name))
    assert corrected.targets[[3, 7], corrected.names.index("dark")].tolist() == [1, 0]
    assert own_data.read_bytes() == before

    again = client.post("/v1/audit/answers", content=ANSWERS).json()
    assert again["file"] == f"{own_data.stem}-corrected-2.csv", "nothing is replaced"


def test_the_page_may_run_its_own_script_and_ask_its_own_server_only(client):
    answer = client.get("/audit")
    policy = answer.headers["content-security-policy"]
    assert answer.text.count("<script") == 2
    assert "script-src 'sha256-" in policy
    assert "connect-src 'self'" in policy
    assert "default-src 'none'" in policy
    assert '"sends_to": "/v1/audit/answers"' in answer.text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("image,label,answer\nx.png,dark,yes\n", ("answers, line 2", "no image 'x.png'")),
        ("image,label,answer\n03.png,drak,yes\n", ("answers, line 2", "drak", "dark")),
        ("image,label\n03.png,dark\n", ("answer",)),
    ],
)
def test_wrong_answers_are_refused_with_their_line_and_nothing_is_written(
    client, own_data, content, words
):
    files = sorted(own_data.parent.iterdir())
    answer = client.post("/v1/audit/answers", content=content)
    assert_refused(answer, 422, "bad_answers", *words)
    assert "/tmp" not in answer.text
    assert sorted(own_data.parent.iterdir()) == files


def test_a_server_without_data_to_review_has_no_such_page(quick, serving):
    client = serving(quick)
    assert client.get("/v1/model").json()["can"]["audit"] is False
    assert_refused(client.get("/audit"), 404, "no_audit", "--audit DATA")
    assert_refused(client.post("/v1/audit/answers", content=ANSWERS), 404, "no_audit")


def test_data_that_cannot_be_audited_are_refused_before_the_server_starts(quick, cli):
    with pytest.raises(ValueError, match=r"nowhere\.csv"):
        create_app(quick, ServeSettings(audit="nowhere.csv"))
    cli("serve", quick.path, "--audit", "nowhere.csv", "--port", "0").assert_refused("nowhere.csv")


def test_answers_are_written_into_the_new_csv_only(client, own_data, written):
    assert client.post("/v1/audit/answers", content=ANSWERS).status_code == 200
    assert {path.parent for path in written} == {own_data.parent}
