"""examples/quick-start.ipynb runs from its first cell to its last, on any machine."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("onnxscript")
pytest.importorskip("sklearn")
NOTEBOOK = Path(__file__).parents[2] / "examples" / "quick-start.ipynb"
CELLS = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
CODE = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]


@pytest.fixture
def small(shapes, weights, tmp_path, monkeypatch):
    """The first cell as a reader with few images would write it, who has no time to wait."""
    monkeypatch.chdir(tmp_path)
    settings = {"head": "kernel", "backbone": "test_efficientnet", "size": 64}
    settings["weights"] = str(weights)
    return f"data, out, settings = {str(shapes)!r}, 'run', {settings!r}"


def test_it_is_a_notebook_without_outputs_and_paths():
    nbformat = pytest.importorskip("nbformat")
    nbformat.validate(nbformat.read(NOTEBOOK, as_version=4))
    assert all(cell.get("outputs", []) == [] for cell in CELLS)
    assert not re.search(r"(?<![\w.])/(home|root|tmp|work|Users)\b", NOTEBOOK.read_text())
    linked = re.findall(r"\]\((\.\./[^)#]+)", NOTEBOOK.read_text(encoding="utf-8"))
    assert linked
    assert all((NOTEBOOK.parent / link).is_file() for link in linked)


# what comes after correcting takes as long as all before it: exporting, and two more trainings
@pytest.mark.parametrize("cells", [7, pytest.param(len(CODE), marks=pytest.mark.thorough)])
def test_every_cell_runs_after_the_one_before(small, quick_runs, cells):
    assert CODE[0].startswith('data = "openclipart"')
    names: dict[str, object] = {}
    for source in (small, *CODE[1:cells]):
        exec(compile(source, NOTEBOOK.name, "exec"), names)
    assert Path("run/my-tagger.onnx").is_file() == (cells == len(CODE))
    assert "_repr_html_" in dir(names["tags"])


@pytest.mark.thorough
def test_jupyter_runs_it_and_each_last_line_is_shown(small):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    next(cell for cell in notebook.cells if cell.cell_type == "code").source = small
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    shown = [out for cell in notebook.cells for out in cell.get("outputs", ()) if "data" in out]
    assert sum("text/html" in out["data"] for out in shown) >= 4
