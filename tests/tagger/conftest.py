"""One photo of the drawn shapes."""

from __future__ import annotations

import pytest


@pytest.fixture
def photo(shapes):
    return shapes.parent / "03.png"
