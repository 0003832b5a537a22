"""How much memory a process may still take: of the machine, of its container, of its own limits."""

from __future__ import annotations

import math
import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

CGROUPS = (  # limit and use: of the second version, and of the first
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)
SHARE = 0.25  # of what is left: a training holds rows, those of a fold and what a head takes
UNKNOWN = 8 * 2**30  # where the system says nothing


def available_memory() -> int:
    """Return how many bytes can still be taken; what the system would give back counts as free."""
    return max(0, min([*_of_the_machine(), *_of_the_container(), *_of_the_process()]))


def _of_the_machine() -> list[int]:
    if found := _fields("/proc/meminfo", "MemAvailable"):
        return found
    with suppress(AttributeError, ValueError, OSError):
        return [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2]
    return [UNKNOWN]


def _of_the_container() -> list[int]:
    found = []
    for limit, used in CGROUPS:
        with suppress(OSError, ValueError):  # no such file, or "max"
            taken = int(Path(used).read_text()) - _file_pages(Path(used).parent)
            found.append(int(Path(limit).read_text()) - max(taken, 0))
    return found


def _file_pages(cgroup: Path) -> int:
    """Return the bytes of files that a container holds in memory, which it gives back."""
    found = re.search(
        r"^(?:total_)?inactive_file (\d+)", (cgroup / "memory.stat").read_text(), re.M
    )
    return int(found[1]) if found else 0


def _of_the_process() -> list[int]:
    if sys.platform == "win32":
        return []
    import resource

    found = []
    for limit, field in ((resource.RLIMIT_DATA, "VmData"), (resource.RLIMIT_AS, "VmSize")):
        allowed, taken = resource.getrlimit(limit)[0], _fields("/proc/self/status", field)
        if allowed != resource.RLIM_INFINITY and taken:
            found.append(allowed - taken[0])
    return found


def _fields(file: str, name: str) -> list[int]:
    """Return the value of a line such as ``VmData:  12 kB`` in bytes, if there is one."""
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB", Path(file).read_text(), re.MULTILINE)
    except OSError:
        return []
    return [1024 * int(found[1])] if found else []


def new_array(shape: tuple[int, ...], dtype: DTypeLike, folder: Path) -> NDArray[Any]:
    """Return an array to fill: in memory, or in a file of ``folder`` where it would take much.

    The file has no name, so that nothing is left of it when the array is gone. Much is more than
    :data:`SHARE` of what is left.

    Raises:
        OSError: the disk has no room for it.
    """
    import tempfile

    import numpy as np

    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size <= SHARE * available_memory():
        return np.empty(shape, dtype)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        if hasattr(os, "posix_fallocate"):  # a full disk is an error here, and not a signal later
            os.posix_fallocate(file.fileno(), 0, size)
        return np.memmap(file, dtype, "r+", shape=shape)
