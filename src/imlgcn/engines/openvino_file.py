"""The ``.openvino`` file: a network and its metadata in one zip. Writer and reader."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from imlgcn.parsing import parse_json

Metadata = Mapping[str, str]


def save_openvino(model: Any, path: Path, metadata: Metadata) -> None:
    """Write an OpenVINO model as one zip; stored uncompressed: float32 does not compress."""
    import openvino

    with TemporaryDirectory() as folder:
        openvino.save_model(model, Path(folder) / "model.xml", compress_to_fp16=False)
        with zipfile.ZipFile(path, "w") as archive:
            for name in ("model.xml", "model.bin"):
                archive.write(Path(folder) / name, name)
            archive.writestr("metadata.json", json.dumps(dict(metadata)))


def read_network(path: Path) -> Any:
    """Return the network of an ``.openvino`` or ``.onnx`` file, not compiled."""
    import openvino

    core = openvino.Core()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return core.read_model(archive.read("model.xml"), archive.read("model.bin"))
    return core.read_model(path)


def read_metadata(network: Any, path: Path) -> dict[str, str]:
    """Return the metadata of the file."""
    if not zipfile.is_zipfile(path):
        notes = network.get_rt_info()  # those of an ONNX file are under "framework"
        found = notes["framework"].items() if "framework" in notes else ()
        return {name: str(note.value) for name, note in found}
    with zipfile.ZipFile(path) as archive:
        content: dict[str, str] = parse_json(archive.read("metadata.json"))
    return content
