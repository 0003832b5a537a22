"""What it costs to list images that are in other shards: microseconds and bytes a name.

python -m benchmarks.listing --out benchmarks/results/listing.md

Empty files are made in folders of 1,000, in one folder, and named in tables. A process for each row
lists them as one of 1,000 shards does, or as a run without `--shard`; nothing is tagged. Names have
been listed before: what a disk or a network adds is not measured.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from imlgcn.comparison.environment import describe
from imlgcn.prediction.images import named_images
from imlgcn.prediction.paths import GivenPaths
from imlgcn.prediction.shards import Shard, ShardImages

FOLDER = 1000  # files
COMMAND = "python -m benchmarks.listing --out benchmarks/results/listing.md"
HEAD = "| what is given | shard | names/s | microseconds a name | bytes a name, at the peak |"


def main() -> None:
    """Make the files, list them several times, write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--files", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", nargs=2, metavar=("PATH", "SHARD"), help="list this, here")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(list_here(*options.one)))
        return
    lines = ["# Listing images for shards", "", describe(COMMAND), ""]
    lines += [f"- {options.files:,} empty files, medians of {options.rounds} rounds", "", HEAD]
    lines.append("|---|---|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        for words, path in make(Path(folder), options.files).items():
            for shard in ("1/1000", "1/1", "none"):
                lines.append(row(words, path, shard, options))
                print(lines[-1], file=sys.stderr)
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


def make(root: Path, files: int) -> dict[str, Path]:
    """Make files, and tables of them; return what to list by its description."""
    names = []
    for number in range(files):
        name = f"photos/{number // FOLDER:06}/IMG_{number:010}.jpg"
        if number % FOLDER == 0:
            (root / name).parent.mkdir(parents=True)
        (root / name).touch()
        names.append(name)
    (root / "flat").mkdir()
    for name in names:
        (root / "flat" / Path(name).name).touch()
    for kind, start in (("absolute", f"{root}/"), ("relative", "")):
        text = "".join(f"{start}{name}\n" for name in names)
        (root / f"{kind}.csv").write_text(f"image\n{text}", encoding="utf-8")
    return {
        f"a folder of folders of {FOLDER:,}": root / "photos",
        "one folder of all": root / "flat",
        "a table of absolute paths": root / "absolute.csv",
        "a table of relative paths": root / "relative.csv",
    }


def row(words: str, path: Path, shard: str, options: argparse.Namespace) -> str:
    """Return a line of the table: medians of processes that list a path."""
    command = [sys.executable, "-m", "benchmarks.listing", "--one", str(path), shard]
    found = [
        json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        for _ in range(options.rounds)
    ]
    seconds = median(each["seconds"] for each in found) / options.files
    size = median(each["bytes"] for each in found) / options.files
    named = "all, without `--shard`" if shard == "none" else shard
    return f"| {words} | {named} | {1 / seconds:,.0f} | {seconds * 1e6:.1f} | {size:.1f} |"


def list_here(path: str, shard: str) -> dict[str, float]:
    """List what a path stands for; return CPU seconds, and bytes of memory that it took."""
    named_images(GivenPaths([__file__]), own=ShardImages(Shard(1, 1)))  # imports what it needs
    own = None if shard == "none" else ShardImages(Shard.of(shard))
    gc.collect()
    before, started = _memory("VmRSS"), time.process_time()
    found = named_images(GivenPaths([path]), own=own)
    seconds = time.process_time() - started
    assert found
    return {"seconds": seconds, "bytes": max(_memory("VmHWM") - before, 0)}


def _memory(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) * 1024


if __name__ == "__main__":
    main()
