from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from imlgcn.labels.context import LabelContext

IN_CHANNELS = 12
PAGE = Path(__file__).parents[2] / "docs" / "adding-a-head.md"
FILE = re.compile(r"^`([\w/.]+)`:\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def labels() -> LabelContext:
    """Five labels on 60 images; the last never occurs. No other width in the tests is five."""
    rng = np.random.default_rng(0)
    targets = (rng.random((60, 5)) < [0.6, 0.5, 0.4, 0.2, 0.0]).astype(np.int8)
    targets[:, 1] |= targets[:, 3]  # label 4 never comes without label 2: an edge for sure
    embeddings = {
        kind: rng.standard_normal((5, width)).astype(np.float32)
        for kind, width in {"words": 7, "image": IN_CHANNELS, "image_pca": 4}.items()
    }
    return LabelContext.from_targets(["a", "b", "c", "d", "never"], targets, embeddings)


@pytest.fixture(scope="session")
def page_files() -> dict[str, str]:
    """The Python files that docs/adding-a-head.md shows, each below a line with its path."""
    return dict(FILE.findall(PAGE.read_text(encoding="utf-8")))


@pytest.fixture(scope="session")
def page_module(page_files):
    """Return a function that imports a file of the page as if it were where the page puts it."""
    made = []

    def module(path: str, place: str = "") -> ModuleType:
        name = path.removeprefix("src/").removesuffix(".py").replace("/", ".")
        if name not in sys.modules:
            sys.modules[name] = ModuleType(name)
            sys.modules[name].__file__ = place or path
            made.append(name)
            exec(compile(page_files[path], path, "exec"), sys.modules[name].__dict__)
        return sys.modules[name]

    yield module
    for name in made:
        del sys.modules[name]


@pytest.fixture(scope="session")
def page_head(page_module):
    """The head of docs/adding-a-head.md."""
    return page_module("src/imlgcn/models/heads/wildcat.py").WildcatHead
