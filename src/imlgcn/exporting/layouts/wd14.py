"""The layout of WD14 taggers: ``model.onnx`` and ``selected_tags.csv``.

What its clients assume, as their source says (ComfyUI-WD14-Tagger ``wd14tagger.py``, imgutils
``tagging/wd14.py``, sd-scripts ``tag_images_by_wd14_tagger.py``, read in November 2026):

- One input, float32 ``(B, S, S, 3)`` with BGR values 0 to 255 of an image centred on a white
  square; S is read from the model (sd-scripts: always 448). The first output are probabilities.
- The rows of the CSV (``tag_id,name,category,count``) are the outputs in order: ratings (category
  9), of which some clients take the first four without a look at the category, then general tags
  (0), then characters (4). Without a row of category 4 ComfyUI-WD14-Tagger takes *every* row for a
  character as well, and gives tags twice.
- A general tag is given above 0.35, with > or >=; a character above 0.85 or 0.35.

A tagger has neither ratings nor characters: their rows have the score 0, and no threshold above 0
gives them.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from imlgcn.exporting.layouts.base import Given, Written
from imlgcn.exporting.layouts.client_network import (
    ClientNetwork,
    metadata_for,
    write_client_onnx,
)
from imlgcn.exporting.layouts.proof import prove
from imlgcn.exporting.layouts.readme import write_readme
from imlgcn.exporting.layouts.scores import ClientScores
from imlgcn.files import write_atomic

MODEL, TAGS = "model.onnx", "selected_tags.csv"
HEADER = ("tag_id", "name", "category", "count")
RATINGS = ("general", "sensitive", "questionable", "explicit")
FIRST_RATING = 9_999_999  # their numbers in published files, downwards
UNUSED = ("unused_1", "unused_2")  # characters; one client sorts them, which takes two
GENERAL, CHARACTER, RATING = 0, 4, 9

README = """\
A model for programs that load WD14 taggers. `model.onnx` takes float32 pixels
`(B, {size}, {size}, 3)`, BGR, 0 to 255, and gives a number for each row of `selected_tags.csv`.

- ComfyUI-WD14-Tagger: copy `model.onnx` to `models/{name}.onnx` and `selected_tags.csv` to
  `models/{name}.csv` in the folder of the node; the node then offers `{name}`.
- sd-scripts: copy both files to `wd14_tagger_model/local_{name}/` and run
  `tag_images_by_wd14_tagger.py --onnx --repo_id local/{name}`. It feeds 448 x 448 pixels, whatever
  the model takes: export with `--size 448` for it, and look at its tags first.

{numbers}

What differs from `imlgcn predict`:

- Clients centre an image on a white square and resize it with a filter of their own. Of a square
  image at the size of the network the tags are the same; of others, scores differ a little.
- The first four rows, ratings, and the last two, characters, are there because clients expect
  them; their number is always 0. A client that always gives a rating gives `general`, which says
  nothing.
- Some clients write `\\(` for `(`, and can write spaces for `_`.
- Labels that are known already move no others.
"""
MAPPED = """\
Clients give a tag above one threshold, {at} if you do not change it. Each label of the tagger has
its own, and the numbers are moved so that this one falls on {at}: the tags in the client are those
of the tagger. So the numbers are not probabilities; `--client-threshold none` exports those."""
PLAIN = """\
The numbers are calibrated probabilities. Clients give a tag above one threshold, and the tagger has
one for each label, so the tags differ; an export without `--client-threshold none` moves the
numbers so that they are the same."""


class Rows(nn.Module):
    """The scores of the shown labels ``(B, K)`` between those of the rows that are always 0."""

    def __init__(self, scores: ClientScores, shown: list[int]) -> None:
        super().__init__()
        self.scores = scores
        self.register_buffer("shown", torch.tensor(shown), persistent=False)

    shown: Tensor

    def forward(self, probabilities: Tensor) -> Tensor:
        """Return one output per row of the CSV ``(B, 4 + K + 2)``."""
        found = self.scores(probabilities)[:, self.shown]
        zero = found[:, :1] * 0
        return torch.cat([*[zero] * len(RATINGS), found, *[zero] * len(UNUSED)], 1)


def write(given: Given, folder: Path) -> Written:
    """Write both files and a README; prove the model on the samples."""
    at, K = given.client_threshold, len(given.shown)
    finish = Rows(ClientScores(given.table, given.tagger.thresholds, at), given.shown)
    network, file = ClientNetwork(given, "nhwc-bgr-255", finish), folder / MODEL
    write_client_onnx(
        network, file, ("input", "output"), metadata_for(given, "wd14"), any_batch=True
    )
    write_atomic(folder / TAGS, tags_csv(given))

    def tags_of(found: NDArray[np.float32]) -> NDArray[np.bool_]:
        return np.asarray(found[:, len(RATINGS) :][:, :K] > (at or 0))

    numbers = PLAIN if at is None else MAPPED.format(at=at)
    text = README.format(size=network.size, name=given.name, numbers=numbers)
    write_readme(folder, given, text, given.notes)
    fed = client_pixels(given.samples.pixels)
    agreed = prove(given, file, fed, finish, None if at is None else tags_of)
    return Written(agreed, tuple(given.notes))


def tags_csv(given: Given) -> str:
    """Return ``selected_tags.csv``: a row for each output of the model."""
    counts = image_counts(given)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(HEADER)
    for number, name in enumerate(RATINGS):
        rows.writerow([FIRST_RATING - number, name, RATING, 0])
    for number, name in zip(given.shown, given.names, strict=True):
        rows.writerow([number, name, GENERAL, counts[number]])
    for number, name in enumerate(UNUSED):
        rows.writerow([len(given.table.rows) + number, name, CHARACTER, 0])
    return text.getvalue()


def image_counts(given: Given) -> list[int]:
    """Return how many images showed each label (L,): in training, else those held out."""
    context = given.tagger.folder.context
    if context is not None and context.num_images:
        return [int(count) for count in context.occurrences]
    return [int(count) for count in given.info.calibration.positives]


def client_pixels(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return RGB pixels of the input size as clients feed them: float32, BGR."""
    return np.ascontiguousarray(pixels[..., ::-1], np.float32)
