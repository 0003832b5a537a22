"""What is not the checkpoint it is said to be is refused in one sentence; no code in it runs."""

from __future__ import annotations

import pickle
import re
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch

from imlgcn.cli import main
from imlgcn.errors import InputError
from imlgcn.official.checkpoint import import_checkpoint
from official_states import head_state, resnet, resnet_state

from .conftest import SMALL, C, L, files_beside, save_csra, write_names


def refusal(tmp_path: Path, path: Path, source: str = "csra", **given) -> str:
    """Return the message; nothing may be left behind."""
    given = {"data_names": write_names(tmp_path), "size": 64, **given}
    with pytest.raises(InputError) as caught:
        import_checkpoint(path, source, tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()
    return str(caught.value)


def test_more_or_fewer_names_than_labels_are_refused(tmp_path):
    message = refusal(tmp_path, save_csra(tmp_path), data_names="coco")
    assert "was trained on 7 labels, but 80 names are given" in message


def test_another_systems_checkpoint_is_refused_with_its_name(tmp_path):
    message = refusal(tmp_path, save_csra(tmp_path), "c_tran")
    assert "not a checkpoint of C-Tran: no entry is named known_label_lt.weight" in message
    assert message.endswith("its entries look like source='csra'")


def test_entries_that_differ_are_named_on_one_screen(tmp_path):
    def change(state):
        for block in range(2):
            state.pop(f"layer4.{block}.conv1.weight")
        state["layer9.weight"] = torch.zeros(2)

    message = refusal(tmp_path, save_csra(tmp_path, change=change))
    assert "2 missing (layer4.0.conv1.weight, layer4.1.conv1.weight)" in message
    assert "1 unknown (layer9.weight)" in message
    everything = refusal(tmp_path, save_csra(tmp_path), backbone="resnet50")
    assert "misshapen" in everything
    assert len(everything) < 80 * 24


def test_an_unknown_backbone_asks_for_its_name(tmp_path):
    def change(state):
        for key in [key for key in state if key.startswith("layer4.1.")]:
            state.pop(key)

    message = refusal(tmp_path, save_csra(tmp_path, change=change))
    assert "no known backbone" in message
    assert "backbone=" in message


def test_a_checkpoint_of_the_head_alone_is_refused(tmp_path):
    path = tmp_path / "head.pth"
    torch.save(head_state("ml_gcn", L, C, **SMALL["ml_gcn"]), path)
    given = files_beside("ml_gcn", tmp_path)
    assert "0 entries beside the head: none" in refusal(tmp_path, path, "ml_gcn", **given)


class Code:
    def __reduce__(self):
        return print, ("this ran",)


@pytest.mark.parametrize("content", [Code(), {"state_dict": {}, "hook": Code()}])
def test_a_file_with_code_in_it_is_refused_and_not_run(tmp_path, content, capsys):
    path = tmp_path / "bad.pth"
    torch.save(content, path)
    message = refusal(tmp_path, path)
    assert "holds pickled code" in message
    path.write_bytes(pickle.dumps(content))
    refusal(tmp_path, path)
    assert "this ran" not in capsys.readouterr().out


def test_plain_values_beside_the_tensors_do_no_harm(tmp_path):
    extra = {"best_mAP": np.float32(3), "args": Namespace(lr=0.1), "epoch": np.int64(4)}
    path = save_csra(tmp_path, extra=extra)
    import_checkpoint(path, "csra", tmp_path / "out", data_names=write_names(tmp_path), size=64)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"source": "mlgcn"}, "did you mean 'ml_gcn'"),
        ({"data_names": "cocoo"}, "did you mean 'coco'.* text file with one label name"),
        ({"data_names": None}, "holds no label names.*coco, voc, vg500"),
        ({"options": {"lamb": 1}}, "did you mean 'lam'"),
        ({"path": "no/such.pth"}, "no weights file"),
        ({"backbone": "resnet18d"}, "does not fit"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, given, message):
    path = Path(given.pop("path", save_csra(tmp_path)))
    assert re.search(message, refusal(tmp_path, path, **given))


def test_a_graph_system_says_what_its_checkpoint_lacks(tmp_path):
    path = tmp_path / "ml_gcn.pth"
    state = head_state("ml_gcn", L, C, **SMALL["ml_gcn"])
    torch.save(state | resnet_state("ml_gcn", resnet("resnet18")), path)
    message = refusal(tmp_path, path, "ml_gcn")
    assert "needs the label vectors (words=" in message
    np.save(tmp_path / "wide.npy", np.ones((L, 6)))
    message = refusal(tmp_path, path, "ml_gcn", words=tmp_path / "wide.npy")
    assert "trained on label vectors of width 5; those given have width 6" in message
    np.save(tmp_path / "few.npy", np.ones((L - 1, 5)))
    message = refusal(tmp_path, path, "ml_gcn", words=tmp_path / "few.npy")
    assert f"must hold finite numbers, {L} x D; its shape is (6, 5)" in message
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object))
    assert "not a .npy file" in refusal(tmp_path, path, "ml_gcn", words=tmp_path / "objects.npy")


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    path = save_csra(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        import_checkpoint(path, "csra", tmp_path / "out", data_names=write_names(tmp_path), size=64)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_the_command_prints_one_sentence_for_a_wrong_file(tmp_path, monkeypatch, capsys):
    path = tmp_path / "text.pth"
    path.write_text("no weights")
    command = ["imlgcn", "import", str(path), "--from", "asl", "--out", str(tmp_path / "o")]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as stopped:
        main()
    assert (stopped.value.code, capsys.readouterr().err.count("\n")) == (2, 1)
