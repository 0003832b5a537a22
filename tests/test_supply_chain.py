"""The lock file has the hash of every package; an audit that was not made is not a clean one."""

from __future__ import annotations

import json
import re
import runpy
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCK = runpy.run_path(str(ROOT / "tools" / "lock.py"))
AUDIT = runpy.run_path(str(ROOT / "tools" / "audit.py"))


def entry(name, **hashes):
    info = {"archive_info": {"hashes": hashes}}
    return {"metadata": {"name": name, "version": "1.2"}, "download_info": info}


def test_every_line_of_the_lock_file_has_a_hash():
    report = {"install": [entry("ruamel.Yaml", sha256="b0"), entry("a", sha256="a0")]}
    lines = LOCK["locked"](report).splitlines()
    assert lines[-2:] == ["a==1.2 --hash=sha256:a0", "ruamel-yaml==1.2 --hash=sha256:b0"]
    with pytest.raises(ValueError, match=r"no SHA-256 of b 1\.2"):
        LOCK["locked"]({"install": [entry("b", md5="0")]})


def test_the_project_itself_is_not_locked():
    assert "imlgcn==" not in LOCK["locked"]({"install": [entry("imlgcn")]})


def test_the_lock_file_names_the_versions_of_the_constraints():
    constraints = dict(
        re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    )
    plain = {re.sub("[-_.]+", "-", name).lower(): version for name, version in constraints.items()}
    locked = dict(re.findall(r"^([\w-]+)==(\S+)", LOCK["TARGET"].read_text(), re.MULTILINE))
    assert {name: plain[name] for name in locked if name in plain} == {
        name: version for name, version in locked.items() if name in plain
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.split(r"[\[>=<,]", line)[0].lower() for line in project["dependencies"]}
    assert {re.sub("[-_.]+", "-", name) for name in needed} <= locked.keys()


@pytest.mark.parametrize(
    ("packages", "code", "words"),
    [
        ([{"name": "a", "version": "1", "vulns": []}], 0, "no known vulnerability in 1"),
        ([{"name": "a", "skip_reason": "offline"}], 2, "not audited: all packages; .* offline"),
        (
            [{"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}],
            1,
            "a 1: CVE-1, mended in 2",
        ),
    ],
)
def test_an_audit_says_what_is_known(packages, code, words):
    found, said = AUDIT["verdict"](json.dumps({"dependencies": packages}), "")
    assert found == code
    assert re.search(words, said)


def test_a_database_that_cannot_be_reached_is_not_clean():
    code, said = AUDIT["verdict"]("", "a\nConnectionError: pypi\n")
    assert code == 2
    assert "could not be reached (ConnectionError: pypi)" in said
