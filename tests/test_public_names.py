"""The names of the package: functions are functions, and former modules are still found."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import imlgcn


@pytest.mark.parametrize("name", ["predict", pytest.param("export", marks=pytest.mark.thorough)])
def test_a_function_is_one_also_after_an_import_from_the_module_of_its_name(name):
    script = (
        f"from imlgcn.{name} import {name} as former; import imlgcn.{name}, inspect;"
        f"assert inspect.isfunction(imlgcn.{name}); assert former is imlgcn.{name}"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)
    assert inspect.isfunction(getattr(imlgcn, name))


def test_former_paths_have_their_other_names_and_no_more():
    from imlgcn.predict import expand_paths, predict_rows

    assert predict_rows is imlgcn.prediction.predict_rows
    assert expand_paths is imlgcn.prediction.expand_paths
    with pytest.raises(ImportError):
        from imlgcn.predict import nothing  # noqa: F401
