"""Checkpoints as scripts leave them: containers, averages, wrappers, pickles of Python 2."""

from __future__ import annotations

import pickle
import struct
import types
from typing import ClassVar

import numpy as np
import pytest
import torch

from imlgcn.errors import InputError
from imlgcn.models.checkpoint_files import read_checkpoint
from imlgcn.models.containers import AVERAGED, LIGHTNING, RAW, find_weights
from imlgcn.official.checkpoint import import_checkpoint
from runs import Said

from .conftest import save_csra, write_names

STATE = {"conv.weight": torch.arange(3.0), "head.fc.weight": torch.ones(2)}
OTHER = {key: value + 1 for key, value in STATE.items()}
PREFIXES = (
    *("", "module.", "_orig_mod.", "module.module.", "module._orig_mod.", "_orig_mod.module."),
    *("model.", "module.model.", "model._orig_mod.", "net."),
)


def same(found, expected):
    assert found.keys() == expected.keys()
    return all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("key", ["", *RAW, *AVERAGED])
def test_weights_are_found_under_every_usual_key_and_prefix(key, prefix):
    state = {prefix + name: value for name, value in STATE.items()}
    content = {key: state, "optimizer": {"lr": 0.1}, "epoch": 3} if key else state
    found = find_weights(content)
    assert same(found.state, STATE)
    assert (found.key, found.other) == (key, "")
    nested = find_weights({"model": content, "args": None}) if key else found
    assert same(nested.state, STATE)


def test_of_a_lightning_module_only_the_network_is_taken():
    state = {f"model.{name}": value for name, value in STATE.items()}
    content = {"state_dict": state | {"loss.weight": torch.ones(5)}, LIGHTNING: "2.0"}
    assert same(find_weights(content).state, STATE)
    assert len(find_weights(content | {LIGHTNING: "2.0"}).state) == 2
    del content[LIGHTNING]
    assert len(find_weights(content).state) == 3, "a network may have a part called model"


def test_a_prefix_of_some_entries_only_is_part_of_their_names():
    state = {"model.weight": torch.ones(1), "head.weight": torch.ones(1)}
    assert find_weights(state).state.keys() == state.keys()


@pytest.mark.parametrize("averaged", AVERAGED)
@pytest.mark.parametrize("raw", RAW)
def test_of_two_sets_the_raw_one_is_taken_unless_the_average_is_asked_for(raw, averaged):
    content = {averaged: OTHER, raw: STATE}
    found, asked = find_weights(content), find_weights(content, averaged=True)
    assert same(found.state, STATE)
    assert (found.key, found.other) == (raw, averaged)
    assert same(asked.state, OTHER)
    assert (asked.key, asked.other) == (averaged, raw)
    assert same(find_weights({averaged: OTHER}).state, OTHER), "there is nothing else"


def test_an_average_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="holds no averaged weights; leave ema=True out"):
        find_weights({"state_dict": STATE, "ema": {"decay": 0.99}}, averaged=True)


def test_the_import_says_which_weights_it_takes(tmp_path):
    path = save_csra(tmp_path)
    content = torch.load(path, weights_only=True)
    mean = {key: value + 0.01 for key, value in content["state_dict"].items()}
    torch.save(content | {"state_dict_ema": mean}, path)
    pixels = np.random.default_rng(0).integers(256, size=(1, 64, 64, 3), dtype=np.uint8)
    logits = {}
    for ema, words in (
        (False, "weights: state_dict; the file holds state_dict_ema as well (ema=True takes"),
        (True, "weights: state_dict_ema; the file holds state_dict as well (without ema=True"),
    ):
        said = Said()
        out, names = tmp_path / f"out{ema}", write_names(tmp_path)
        given = {"data_names": names, "size": 64, "progress": said}
        tagger = import_checkpoint(path, "csra", out, ema=ema, **given)
        assert said.about(words)
        assert tagger.info.origin["weights"] == f"state_dict{'_ema' if ema else ''}"
        logits[ema] = tagger.engine.logits(pixels)
    assert np.abs(logits[True] - logits[False]).max() > 1e-3


class Python2(pickle._Pickler):
    """Writes strings and bytes as Python 2 writes a `str`."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def __init__(self, file, protocol=2):
        super().__init__(file, 2)

    def save_text(self, text):
        data = text.encode("latin1") if isinstance(text, str) else text
        short = len(data) < 256
        self.write(b"U" + bytes([len(data)]) if short else b"T" + struct.pack("<i", len(data)))
        self.write(data)
        self.memoize(text)

    dispatch[str] = dispatch[bytes] = save_text


def save_as_python_2(content, path):
    module = types.ModuleType("python2")
    module.Pickler = Python2
    module.dump = lambda content, file, protocol=2: Python2(file).dump(content)
    torch.save(content, path, pickle_module=module, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize(
    "number", [np.float64(81.3), np.float32(-0.1), np.int64(-2), np.uint8(200)]
)
def test_a_checkpoint_of_python_2_is_read_with_the_numbers_beside_it(number, tmp_path):
    path = tmp_path / "old.pth.tar"
    save_as_python_2({"epoch": 3, "best_mAP": number, "state_dict": STATE}, path)
    weights, beside = read_checkpoint(path)
    assert same(weights.state, STATE)
    assert beside["best_mAP"] == number
    assert type(beside["best_mAP"]) is type(number)


class Code:
    def __reduce__(self):
        return print, ("this ran",)


@pytest.mark.parametrize("content", [Code(), np.arange(3), np.float64])
@pytest.mark.parametrize("save", [torch.save, save_as_python_2])
def test_beside_plain_numbers_nothing_is_let_through(content, save, tmp_path, capsys):
    path = tmp_path / "bad.pth"
    save({"state_dict": STATE, "beside": content}, path)
    with pytest.raises(InputError, match="holds pickled code"):
        read_checkpoint(path)
    assert "this ran" not in capsys.readouterr().out


def test_no_warning_of_torch_reaches_the_user(tmp_path, recwarn):
    read_checkpoint(save_csra(tmp_path))
    assert not recwarn.list
