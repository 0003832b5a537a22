"""The allocator's settings: what they do to memory, and when they are left alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from imlgcn.engines import allocator

glibc = pytest.mark.skipif(not allocator.has_glibc(), reason="needs glibc")
FAULTS = """
import json, resource, torch
from imlgcn.engines.allocator import raise_thresholds
done = raise_thresholds()

def work():
    torch.ones(9 * 2**20)  # 36 MiB, above the largest threshold glibc takes

for _ in range(10):
    work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    work()
print(json.dumps([done, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before]))
"""


def faults(**environment: str) -> tuple[bool, int]:
    """Return whether a new process set the allocator up, and its page faults of ten allocations."""
    command = [sys.executable, "-c", FAULTS]
    settings = {**os.environ, **environment}
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=True)
    raised, count = json.loads(done.stdout)
    return raised, count


@pytest.mark.thorough
@glibc
def test_memory_of_a_freed_tensor_is_used_again_without_a_page_fault():
    raised, count = faults()
    assert raised
    assert count < 20_000  # 36 MiB are 9,216 pages


@pytest.mark.thorough
@glibc
@pytest.mark.parametrize(
    "environment",
    [{"MALLOC_TRIM_THRESHOLD_": "131072"}, {"GLIBC_TUNABLES": "glibc.malloc.top_pad=131072"}],
)
def test_what_the_environment_says_of_the_allocator_stands(environment):
    raised, count = faults(**environment)
    assert not raised
    assert count > 90_000


def test_tunables_of_other_parts_of_glibc_do_not_matter():
    assert not allocator._sets_allocator("GLIBC_TUNABLES", "glibc.pthread.rseq=1")


@pytest.mark.parametrize("answer", [None, "musl 1.2", ValueError, OSError, AttributeError])
def test_without_glibc_nothing_is_done(monkeypatch, answer):
    def confstr(name):
        if isinstance(answer, type):
            raise answer
        return answer

    monkeypatch.setattr(os, "confstr", confstr, raising=False)
    monkeypatch.setattr(allocator.ctypes, "CDLL", None)
    allocator.raise_thresholds.cache_clear()
    try:
        assert not allocator.raise_thresholds()
    finally:
        allocator.raise_thresholds.cache_clear()
