"""A run as `predict_on_ray` has it, with workers in this process."""

from __future__ import annotations

import json
import os
from collections import deque
from pathlib import Path

from imlgcn.batch import run
from imlgcn.batch.cutting import cut
from imlgcn.batch.inputs import find_inputs
from imlgcn.batch.output import OutputFolder
from imlgcn.batch.run import tag_blocks
from imlgcn.batch.shard import ShardTagger
from runs import Said


class Here:
    """Workers in this process: `script` says, for each block begun, what happens to it."""

    def __init__(self, worker, script=(), pick=0):
        self.worker, self.script, self.pick = worker, deque(script), pick
        self.begun, self.waiting = [], []

    @property
    def idle(self):
        return 2 - len(self.waiting)

    def submit(self, block, *, last):
        self.begun.append(block.number)
        self.waiting.append((block, last, self.script.popleft() if self.script else "done"))

    def done(self, timeout):
        block, last, what = self.waiting.pop(self.pick)
        if what == "lost before":
            return [(block, ConnectionError("the worker is gone"))]
        try:
            report = self.worker.tag(block, last)
        except Exception as error:
            return [(block, error)]
        if what == "lost after":  # its file is there, and nobody hears of it
            return [(block, ConnectionError("the worker is gone"))]
        if what == "twice":
            return [(block, report), (block, self.worker.tag(block, last))]
        if what == "stop":
            raise KeyboardInterrupt
        return [(block, report)] if what == "done" else []


def go(tag, out, script=(), *, given=("in",), resume=False, overwrite=False, said=None, pick=0):
    """Run as `predict_on_ray` does, with workers in this process; return them and the counts."""
    folder = os.getcwd()
    output = OutputFolder(Path(out).absolute(), resume=resume, overwrite=overwrite)
    try:
        output.start(
            run._header(tag, given, folder), cut(find_inputs(given), folder, workers=1, most=2)
        )
        workers = Here(ShardTagger(tag, str(output.unfinished), folder), script, pick)
        return workers, tag_blocks(output, workers, said or Said())
    finally:
        output.close()


def manifest(out):
    return [json.loads(line) for line in (Path(out) / "manifest.jsonl").read_text().splitlines()]
