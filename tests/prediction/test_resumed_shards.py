"""Shards that were interrupted or are complete: what a task that is started again does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from colour_tagger import ColourTagger
from imlgcn.errors import InputError
from imlgcn.prediction import merge_predictions, predict
from imlgcn.prediction.journal import Journal

from .conftest import tag_shards


class Interrupted(ColourTagger):
    """One that ends the run at its third image."""

    def probabilities(self, inputs, known=None):
        if len(self.batches) == 2:
            raise KeyboardInterrupt
        return super().probabilities(inputs)


def test_a_shard_goes_on_where_it_was_interrupted_and_is_not_tagged_again_when_complete(
    photos, tmp_path
):
    out, own = tmp_path / "tags.csv", tmp_path / "tags.1-of-2.csv"
    with pytest.raises(KeyboardInterrupt):
        predict(Interrupted(), photos, out=out, shard="1/2", workers=1, batch_size=1)
    assert not own.exists()
    tagger, again = ColourTagger(), ColourTagger()
    summary = predict(tagger, photos, out=out, shard="1/2", resume=True)
    assert sum(tagger.batches) == summary.images - summary.failed - 2
    assert predict(again, photos, out=out, shard="1/2", resume=True) == summary
    assert again.loaded == 0
    predict(ColourTagger(), photos, out=tmp_path / "once.csv", shard="1/2")
    assert own.read_bytes() == (tmp_path / "once.1-of-2.csv").read_bytes()


@pytest.mark.parametrize("at", ["the record", "the journal's end"])
def test_a_shard_killed_after_its_file_is_complete_is_made_complete(
    photos, tmp_path, monkeypatch, at
):
    out, record = tmp_path / "tags.csv", tmp_path / "tags.1-of-2.csv.shard"

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if at == "the record":
            patch.setattr("imlgcn.prediction.shard_record.write_atomic", killed)
        else:
            patch.setattr("pathlib.Path.unlink", killed_for(".partial", killed))
        with pytest.raises(KeyboardInterrupt):
            predict(ColourTagger(), photos, out=out, shard="1/2")
    assert record.exists() is (at != "the record")
    tagger = ColourTagger()
    predict(tagger, photos, out=out, shard="1/2", resume=True)
    assert sum(tagger.batches) == 0
    assert record.exists()
    assert not list(tmp_path.glob("*.partial"))


def killed_for(suffix, killed):
    whole = Path.unlink
    return lambda path, **how: killed() if path.name.endswith(suffix) else whole(path, **how)


def test_a_shard_that_is_tagged_anew_is_not_complete_until_it_is(photos, tmp_path):
    out = tmp_path / "tags.csv"
    tag_shards(photos, out, 2)
    with pytest.raises(KeyboardInterrupt):
        predict(
            Interrupted(), photos, out=out, shard="1/2", workers=1, batch_size=1, overwrite=True
        )
    with pytest.raises(InputError, match=r"tags\.1-of-2\.csv is unfinished: .* resume=True"):
        merge_predictions(tmp_path / "tags.*-of-2.csv", out)
    predict(ColourTagger(), photos, out=out, shard="1/2", resume=True)
    merge_predictions(tmp_path / "tags.*-of-2.csv", out)


def test_a_complete_shard_of_other_images_or_settings_is_not_taken_for_this_one(photos, tmp_path):
    out = tmp_path / "tags.csv"
    predict(ColourTagger(), photos, out=out, shard="1/2")
    with pytest.raises(InputError, match="made by another tagger, engine or settings"):
        predict(ColourTagger(), photos, out=out, shard="1/2", resume=True, threshold=0.5)
    with pytest.raises(InputError, match=r"come or gone since \(22 then, 2 now\)"):
        predict(ColourTagger(), photos / "sub", out=out, shard="1/2", resume=True)
    with pytest.raises(InputError, match="was made without xmp=; leave that out"):
        predict(ColourTagger(), photos, out=out, shard="1/2", resume=True, xmp=True)
    own = tmp_path / "tags.1-of-2.csv"
    own.write_bytes(own.read_bytes()[:-1])
    with pytest.raises(InputError, match="is damaged, or was changed"):
        predict(ColourTagger(), photos, out=out, shard="1/2", resume=True)


def test_the_journal_of_a_shard_is_its_own(photos, tmp_path):
    out = tmp_path / "tags.csv"
    options = {"workers": 1, "batch_size": 1}
    for number in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            predict(Interrupted(), photos, out=out, shard=(number, 2), **options)
    journals = sorted(tmp_path.glob("*.partial"))
    assert [path.name for path in journals] == [
        "tags.1-of-2.csv.partial",
        "tags.2-of-2.csv.partial",
    ]
    made_by = json.loads(journals[0].read_bytes().splitlines()[0][17:])["rows of"]
    journal = Journal(journals[0], made_by, resume=True)
    assert journal.count == 2
    journal.close()
