"""The container's recipe without a container engine: its layers, user and read-only root."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from tools.measure_install import ROOT, install

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
TOKEN = "0123456789abcdef"
# Python itself, where it is in a home that others may not enter
REACH = """mount --bind {base} /media && mount -t tmpfs -o mode=755 tmpfs {top} &&
mkdir -p {base} && mount --bind /media {base} && mount -o remount,ro,bind {base} &&"""
# what `docker run --read-only --tmpfs /tmp` does, and the user of the recipe
RUN = """
mount --make-rprivate / && {reach} mount --bind {folder} /mnt && mount -o remount,ro,bind /mnt &&
mount -o remount,ro,bind / && mount -t tmpfs tmpfs /tmp && cd /tmp &&
exec setpriv --reuid {user} --regid {user} --clear-groups --no-new-privs --bounding-set=-all \\
{command}
"""


def instruction(name: str) -> str:
    """Return the last instruction of a kind, its lines joined."""
    lines = DOCKERFILE.replace("\\\n", " ").splitlines()
    return next(line for line in reversed(lines) if line.startswith(f"{name} ")).split(None, 1)[1]


def can_isolate() -> bool:
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    found = shutil.which("unshare") and shutil.which("setpriv")
    return bool(found) and os.geteuid() == 0 and subprocess.run(probe).returncode == 0


def test_the_recipe_and_compose_start_the_same_command():
    assert COMPOSE["services"]["tags"]["command"] == json.loads(instruction("CMD"))
    assert json.loads(instruction("ENTRYPOINT")) == ["imlgcn"]


def test_what_the_recipe_copies_is_all_that_the_wheel_is_made_of():
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    named = set(re.findall(r'"([\w./]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8")))
    needed = {"README.md", "LICENSE", "src/imlgcn"} & named
    assert needed == {"README.md", "LICENSE", "src/imlgcn"}
    assert {f"!{name.partition('/')[0]}" for name in needed} | {"!pyproject.toml"} <= set(kept)


@pytest.fixture(scope="module")
def layers(tmp_path_factory, onnx_file):
    """A folder with the environment of the recipe, and a tagger."""
    folder = tmp_path_factory.mktemp("container")
    install(folder, ["serve"])
    shutil.copy(onnx_file, folder / "tagger.onnx")
    folder.chmod(0o755)  # for the user of the container
    return folder


@contextmanager
def served(folder: Path):
    """Yield the address of the container's command, as its user, with a root that is read-only."""
    user = instruction("USER")
    command = json.loads(instruction("CMD"))
    command = ["/mnt/tagger.onnx" if word == "/taggers/demo" else word for word in command]
    command += ["--port", "0"]
    inside = shlex.join(["/mnt/environment/bin/python", "-P", "-m", "imlgcn", *command])
    base = Path(sys.base_prefix)
    is_open = all(parent.stat().st_mode & 1 for parent in base.parents)
    reach = "" if is_open else REACH.format(base=base, top=f"/{base.parts[1]}")
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    settings = dict(pair.split("=") for pair in instruction("ENV").split())
    process = subprocess.Popen(
        [
            "unshare",
            "--mount",
            "sh",
            "-c",
            RUN.format(reach=reach, folder=folder, user=user, command=inside),
        ],
        env={**outside, **settings, "IMLGCN_TOKEN": TOKEN, "HOME": "/nonexistent"},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        said = []
        for line in process.stderr:
            said.append(line)
            if found := re.search(r"http://\S+?:(\d+)", line):
                yield process, f"http://127.0.0.1:{found[1]}"
                break
        else:
            raise AssertionError("".join(said))
    finally:
        process.kill()
        process.wait()


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="isolates by Linux namespaces")
def test_it_serves_as_a_user_without_rights_and_a_read_only_root(layers, shapes):
    if not can_isolate():
        pytest.skip("needs root, unshare and setpriv to isolate a process")
    image = (shapes.parent / "00.png").read_bytes()
    with served(layers) as (process, address):
        assert urllib.request.urlopen(f"{address}/healthz", timeout=5).status == 200
        request = urllib.request.Request(f"{address}/v1/tags", data=image)
        request.add_header("Authorization", f"Bearer {TOKEN}")
        request.add_header("Content-Type", "image/png")
        assert json.load(urllib.request.urlopen(request, timeout=30))
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) in (0, 143)
        assert time.monotonic() - started < 20
