"""A tagger folder is data: what `model.json` says is never believed beyond what the file holds."""

from __future__ import annotations

import json
import shutil
import time

import pytest

from imlgcn.errors import InputError
from imlgcn.tagger import load_classifier
from imlgcn.tagger.info import read_info


@pytest.fixture
def changed(tagger, tmp_path):
    """Return a function that writes the tagger with another `model.json`, its hashes right."""

    def change(edit):
        folder = tmp_path / "copy"
        shutil.copytree(tagger.path, folder)
        content = json.loads((folder / "model.json").read_text())
        edit(content)
        (folder / "model.json").write_text(json.dumps(content))
        return folder

    return change


def set_head(name, **options):
    def edit(content):
        content["head"] = {"name": name, "options": {**content["head"]["options"], **options}}

    return edit


def set_backbone(name):
    return lambda content: content["backbone"].update(name=name)


HOSTILE = {
    "a head that is none": (set_head("os.system"), "unknown head"),
    "a head of a billion units": (set_head("mlp", hidden=10**9), "1,000,000 are the most"),
    "a head of many layers": (set_head("c_tran", layers=10**6), "256 are the most"),
    "another head": (set_head("mlp"), "unknown option of head"),
    "an option of another type": (
        set_head("linear", pooling=["avg"]),
        "expected|cannot be|pooling",
    ),
    "another backbone": (set_backbone("resnet18"), "does not hold the network"),
    "a giant": (set_backbone("vit_giant_patch14_clip_224"), "does not hold the network|size"),
    "many backbones": (set_backbone("+".join(["resnet18"] * 500)), "8 are the most"),
    "a backbone that is none": (set_backbone("no_such_net"), "no_such_net"),
    "an image of a million pixels a side": (
        lambda content: content["image"].update(size=10**6),
        "16 to 4096",
    ),
    "a threshold that is not a number": (
        lambda content: content["calibration"]["threshold"].__setitem__(0, float("nan")),
        "finite number",
    ),
    "an infinite slope": (
        lambda content: content["calibration"]["slope"].__setitem__(0, float("inf")),
        "finite number",
    ),
}


@pytest.mark.parametrize(("edit", "words"), HOSTILE.values(), ids=HOSTILE)
def test_a_network_that_the_file_does_not_hold_is_never_built(changed, edit, words):
    folder = changed(edit)
    started = time.process_time()
    with pytest.raises(InputError, match=words):
        load_classifier(folder)
    assert time.process_time() - started < 10


def test_the_tagger_as_it_was_written_fits(changed):
    folder = changed(lambda content: None)
    load_classifier(folder)
    assert read_info(folder).labels
