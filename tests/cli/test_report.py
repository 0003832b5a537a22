"""Reports from the command line: of an evaluation, and a tagger's own written again."""

import shutil

from imlgcn.tagger.scores import Scores


def test_evaluate_writes_a_report_where_it_is_told(cli, tagger, shapes, tmp_path):
    found = cli("evaluate", tagger.path, shapes, "--report", tmp_path / "page.html")
    assert found.code == 0
    assert "<h1>" in (tmp_path / "page.html").read_text(encoding="utf-8")
    refused = cli("evaluate", tagger.path, shapes, "--report", tmp_path / "mine.csv")
    assert refused.code == 2
    assert "give a file that ends in .html" in refused.err


def test_report_is_written_again(cli, tagger, tmp_path):
    copy = tmp_path / "tagger"
    shutil.copytree(tagger.path, copy)
    scored = Scores(copy / "predictions.parquet", tagger.labels).split("test")
    assert scored.control is not None  # training kept what the context check compares with
    (copy / "report.html").unlink(missing_ok=True)
    assert cli("report", copy).code == 0
    assert "data:image/webp" in (copy / "report.html").read_text(encoding="utf-8")
