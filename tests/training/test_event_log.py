"""The log that TensorBoard reads: the numbers of log.jsonl, once each, in the folder of the run."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from imlgcn.errors import InputError
from imlgcn.extras import MissingLibraryError
from imlgcn.training.event_log import EventLog, flat
from runs import log_of

pytest.importorskip("tensorboardX")
LINES = [{"stage": "linear head", "epoch": 1, "loss": 0.75, "learning_rate": 0.25}]
LINES += [
    {"stage": "fine-tuning, linear head", "epoch": n, "loss": 0.5 / n, "val_mAP": 60.0 + n}
    for n in (1, 2, 4)
]
METRICS = {"split": "test", "mAP": 71.5, "OF1": None, "tried": [{"head": "mlp", "mAP": 61.25}]}


def crc32c(data: bytes) -> int:
    """The checksum of Castagnoli, bit by bit, masked as TensorFlow does."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def events(folder: Path) -> list:
    """Return the events of all files, each with its checksums proven."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for file in sorted((folder / "tensorboard").iterdir()):
        content = file.read_bytes()
        while content:
            length, of_length = struct.unpack("<QI", content[:12])
            data = content[12 : 12 + length]
            (of_data,) = struct.unpack("<I", content[12 + length : 16 + length])
            assert (crc32c(content[:8]), crc32c(data)) == (of_length, of_data)
            found.append(Event.FromString(data))
            content = content[16 + length :]
    return found


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for event in events(folder):
        for value in event.summary.value:
            if value.HasField("simple_value"):
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def write_log(folder: Path, rows) -> None:
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_each_row_is_on_the_disk_at_once_by_quantity_stage_and_epoch(tmp_path):
    log = EventLog(tmp_path)
    for row in (*LINES, {"stage": "kernel head"}, {"stage": "x", "epoch": 0, "loss": None}):
        log(row)
    assert scalars(tmp_path) == {
        "loss/linear_head": [(1, 0.75)],
        "learning_rate/linear_head": [(1, 0.25)],
        "loss/fine-tuning_linear_head": [(1, 0.5), (2, 0.25), (4, 0.125)],
        "val_mAP/fine-tuning_linear_head": [(1, 61.0), (2, 62.0), (4, 64.0)],
    }
    assert events(tmp_path)[0].file_version == "brain.Event:2"


def test_a_resumed_run_adds_what_is_missing_and_repeats_nothing(tmp_path):
    write_log(tmp_path, LINES[:2])  # written without this log
    log = EventLog(tmp_path)
    log(LINES[2])
    whole = next((tmp_path / "tensorboard").iterdir())
    whole.write_bytes(whole.read_bytes()[:-3])  # killed while it wrote the mAP of epoch 2
    write_log(tmp_path, LINES[:3])
    again = EventLog(tmp_path)
    for row in LINES:
        again(row)
    again.finish({}, METRICS)
    whole.write_bytes(b"")  # its end is not a record any more; all of the second file must be
    assert scalars(tmp_path)["loss/fine-tuning_linear_head"] == [(4, 0.125)]
    assert scalars(tmp_path)["val_mAP/fine-tuning_linear_head"] == [(2, 62.0), (4, 64.0)]


def test_a_damaged_file_counts_up_to_its_damage(tmp_path):
    EventLog(tmp_path)(LINES[0])
    file = next((tmp_path / "tensorboard").iterdir())
    content = bytearray(file.read_bytes())
    content[-12:-4] = b"\xff" * 8
    file.write_bytes(content)
    write_log(tmp_path, LINES[:1])
    EventLog(tmp_path)(LINES[1])
    assert len(list((tmp_path / "tensorboard").iterdir())) == 2


def test_final_metrics_stand_beside_the_settings_they_came_of(tmp_path):
    log = EventLog(tmp_path)
    log.finish({"head": "auto", "loss": {"options": {"gamma_neg": 2.0}}, "size": None}, METRICS)
    assert scalars(tmp_path) == {"test/mAP": [(0, 71.5)], "out_of_fold_mAP/mlp": [(0, 61.25)]}
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    plugin = {
        value.tag: HParamsPluginData.FromString(value.metadata.plugin_data.content)
        for event in events(tmp_path)
        for value in event.summary.value
        if value.metadata.plugin_data.plugin_name == "hparams"
    }
    session = plugin["_hparams_/session_start_info"].session_start_info.hparams
    assert session["head"].string_value == "auto"
    assert session["loss.options.gamma_neg"].number_value == 2.0
    names = [each.name.tag for each in plugin["_hparams_/experiment"].experiment.metric_infos]
    assert names == ["test/mAP"]
    assert flat({"refit": True}) == {"refit": True}


def test_a_training_logs_what_log_jsonl_has_and_learns_the_same(train_tiny, tagger, tmp_path):
    found = train_tiny(tmp_path / "run", log="tensorboard")
    weights = [(each.path / "model.safetensors").read_bytes() for each in (found, tagger)]
    assert weights[0] == weights[1]
    own = scalars(found.path)
    for row in log_of(found):
        stage = row["stage"].replace(" ", "_")
        assert (row["epoch"], pytest.approx(row["loss"])) in own[f"loss/{stage}"]
        assert (row["epoch"], pytest.approx(row["learning_rate"])) in own[f"learning_rate/{stage}"]
    assert own["test/mAP"] == [(0, pytest.approx(found.info.metrics["mAP"]))]
    assert {path.name for path in found.path.iterdir() if path.is_dir()} == {"tensorboard"}
    again = train_tiny(found.path, replace=True)
    assert not (again.path / "tensorboard").exists()


def test_a_log_that_is_unknown_or_has_no_library_is_refused_before_any_work(
    train_tiny, tmp_path, monkeypatch
):
    with pytest.raises(InputError, match="unknown log 'tensorbord'; did you mean 'tensorboard'"):
        train_tiny(tmp_path / "run", log="tensorbord")
    monkeypatch.setattr("imlgcn.extras.installed", lambda library: library != "tensorboardX")
    with pytest.raises(MissingLibraryError, match=r"log='tensorboard' needs tensorboardX, which"):
        train_tiny(tmp_path / "run", log="tensorboard")
    assert not (tmp_path / "run").exists()


@pytest.mark.thorough
def test_tensorboard_itself_reads_the_files(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log = EventLog(tmp_path)
    for row in LINES:
        log(row)
    log.finish({"head": "auto"}, METRICS)
    read = accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    values = [(e.step, e.value) for e in read.Scalars("val_mAP/fine-tuning_linear_head")]
    assert values == [(1, 61.0), (2, 62.0), (4, 64.0)]
    assert set(read.PluginTagToContent("hparams")) >= {"_hparams_/session_start_info"}
