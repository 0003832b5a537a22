"""Prediction on exported files: the same tags in every engine, and a start without torch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from PIL import Image

from imlgcn.prediction import predict_rows


def test_the_whole_path_from_file_to_tags_is_the_same_in_every_engine(
    tmp_path, onnx_folder, shapes
):
    """Logits of each engine on the files as they are: decoding, fitting, network, head."""
    from imlgcn.tagger import Tagger

    paths = sorted(shapes.parent.glob("*.png"))[:6]
    for number, size in enumerate([(640, 480), (1500, 2000), (300, 400)]):
        photo = Image.open(paths[number]).convert("RGB").resize(size, Image.Resampling.BICUBIC)
        paths.append(tmp_path / f"{number}.jpg")
        photo.save(paths[-1], quality=90)
    logits, tags = {}, {}
    for engine in ("torch", "onnxruntime", "openvino"):
        opened = Tagger.load(onnx_folder, engine=engine)
        assert opened.engine.name == engine
        pixels = np.stack([opened.load_input(path) for path in paths])
        logits[engine] = opened.engine.logits(pixels)
        found = predict_rows(opened, paths, all_labels=True)
        tags[engine] = {(row.image, row.label) for row in found if row.is_tag}
    for engine in ("onnxruntime", "openvino"):
        np.testing.assert_allclose(logits[engine], logits["torch"], atol=2e-4)
        assert tags[engine] == tags["torch"]


def test_predict_on_an_exported_file_starts_without_torch(tagger, onnx_file, shapes):
    image = shapes.parent / "00.png"
    code = (
        "import sys\n"
        f"sys.argv = ['imlgcn', 'predict', {str(onnx_file)!r}, {str(image)!r}, '--all']\n"
        "from imlgcn.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "heavy = {'torch', 'lightning', 'timm', 'pyarrow', 'yaml', 'sklearn', 'matplotlib'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(tagger.labels)
    assert done.stderr.rstrip().endswith("tags")
