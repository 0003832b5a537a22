"""Which cases of a test over all heads, recipes or pages are in the default run."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import pytest


def thorough_but(always: Collection[object], cases: Iterable[object]) -> list[object]:
    """Return the cases of a parametrised test; those not in ``always`` are for test-thorough."""
    thorough = pytest.mark.thorough
    return [case if case in always else pytest.param(case, marks=thorough) for case in cases]
