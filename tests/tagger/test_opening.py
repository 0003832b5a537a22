"""A tagger opens wherever it lies; one that is damaged or unfinished is refused in one sentence."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from imlgcn.errors import InputError
from imlgcn.tagger import Tagger


@pytest.fixture
def edit(own_tagger):
    """Return a function that changes ``model.json`` of a copied tagger."""

    def change(**values):
        file = own_tagger / "model.json"
        content = json.loads(file.read_text())
        file.write_text(json.dumps({**content, **values}))
        return own_tagger

    return change


def test_a_tagger_may_be_moved_and_opened_by_text(tagger, own_tagger, photo):
    assert Tagger.load(str(own_tagger))(photo) == tagger(photo)


def test_no_folder_and_an_unfinished_one_are_told_apart(own_tagger, tmp_path):
    with pytest.raises(InputError, match="no tagger at"):
        Tagger.load(tmp_path / "nowhere")
    (own_tagger / "model.json").unlink()
    with pytest.raises(InputError, match=r"holds no model\.json.*resume=True"):
        Tagger.load(own_tagger)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"format": 1}'])
def test_a_damaged_description_is_one_sentence(own_tagger, content):
    (own_tagger / "model.json").write_bytes(content)
    with pytest.raises(InputError, match="damaged") as caught:
        Tagger.load(own_tagger)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": 3}, "format 3; this version reads 1 and 2"),
        ({"labels": ["a", "b"]}, "5 values for 2 labels"),
        ({"image": {"size": 3}}, "damaged"),
        ({"surprise": 1}, "damaged"),
    ],
)
def test_a_description_that_does_not_fit_is_refused_at_once(edit, values, message):
    with pytest.raises(InputError, match=message):
        Tagger.load(edit(**values))


@pytest.mark.parametrize("damage", ["cut", "flip", "gone"])
def test_changed_weights_are_refused_before_they_are_used(own_tagger, photo, damage):
    file = own_tagger / "model.safetensors"
    content = bytearray(file.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
    file.write_bytes(content[:1000] if damage == "cut" else content)
    if damage == "gone":
        file.unlink()
    tagger = Tagger.load(own_tagger)
    with pytest.raises(InputError, match=r"model\.safetensors is missing or changed"):
        tagger(photo)


def test_weights_of_another_tagger_are_refused(own_tagger, linear_tagger, photo):
    shutil.copy(linear_tagger.path / "model.safetensors", own_tagger)
    with pytest.raises(InputError, match="changed"):
        Tagger.load(own_tagger)(photo)


def test_opening_and_preparing_an_image_imports_no_torch(tagger, photo):
    code = (
        "import sys; from imlgcn import Tagger;"
        f"t = Tagger.load({str(tagger.path)!r}); x = t.load_input({str(photo)!r});"
        "t.thresholds_for('recall=0.9');"
        "assert x.shape == (64, 64, 3);"
        "assert not {'torch', 'lightning', 'timm'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
