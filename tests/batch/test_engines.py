"""What docs/batch-engines.md says of each engine runs, and gives the rows of `predict`."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys

import pytest

from imlgcn.prediction import predict
from page_blocks import ROOT, blocks

from .samples import rows_of

PAGE = ROOT / "docs" / "batch-engines.md"
MODULES = {"ray": "ray.data", "pyspark": "pyspark.sql", "daft": "daft", "dask": "dask.dataframe"}
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "DAFT_ANALYTICS_ENABLED": "0",
    "DO_NOT_TRACK": "true",
    "SPARK_LOCAL_IP": "127.0.0.1",
    "PYSPARK_PYTHON": sys.executable,
    "OMP_NUM_THREADS": "1",
}
START = {"ray": "import ray; ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)\n"}
pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the pages are not here")


def has(engine):
    if importlib.util.find_spec(engine) is None:
        return False
    return engine != "pyspark" or shutil.which("java") is not None


def rows(found):
    """Return rows without the folder of their image and as one row for each tag, sorted."""
    plain = []
    for row in found:
        lists = [row.pop(name, None) for name in ("labels", "probabilities", "thresholds")]
        tags = [*zip(*lists, strict=True)] if lists[0] else [("", None, None)]
        if lists[0] is None:
            tags = [(row["label"], row["probability"], row["threshold"])]
        image = os.path.basename(row["image"])
        plain += [(image, *tag, row["error"]) for tag in tags]
    return sorted(plain, key=str)


def test_the_page_has_a_block_for_each_engine():
    assert {b.needs for b in blocks(PAGE) if b.needs in MODULES} == set(MODULES)


@pytest.mark.scale
@pytest.mark.timeout(300)
@pytest.mark.parametrize("engine", MODULES)
def test_the_snippet_of_an_engine_gives_the_rows_of_predict(engine, onnx, pictures):
    if not has(engine):
        pytest.skip(f"{engine} is not installed")
    (block,) = [block for block in blocks(PAGE) if block.needs == engine]
    os.rename("in", "photos")
    shutil.copytree(onnx.parent, "runs")
    code = START.get(engine, "") + block.text.replace("runs/demo", f"runs/{onnx.name}")
    main = f"if __name__ == '__main__':\n{''.join('    ' + li for li in code.splitlines(True))}\n"
    with open("snippet.py", "w") as file:
        file.write(main if engine == "dask" else code)
    done = subprocess.run(
        [sys.executable, "snippet.py"], env=os.environ | QUIET, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    predict(onnx, "photos", out="one.parquet")
    out = f"tags-{engine.removeprefix('py')}"
    assert rows(rows_of(out)) == rows(rows_of("one.parquet"))
