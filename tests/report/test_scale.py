"""The report and the drawings of 10,000 labels: their time and their size."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from benchmarks.labels_in_use import make_tagger

from imlgcn.labels.on_demand import stored
from imlgcn.labels.sparse import SparseMatrix
from imlgcn.report import write_report
from imlgcn.serve.knowledge import graph, graph_around
from imlgcn.tagger import Tagger
from imlgcn.views.label_graph import graph_figure, summarise_graph

LABELS, IMAGES = 10_000, 800

pytestmark = pytest.mark.scale


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("many") / "run"
    make_tagger(path, LABELS, IMAGES)
    return path


def test_the_folder_holds_no_number_for_each_pair_of_labels(folder):
    context = Tagger.load(folder).folder.context
    assert isinstance(stored(context, "pair_counts"), SparseMatrix)
    assert (folder / "model.safetensors").stat().st_size < 90e6  # the classifiers alone are 51 MB


def test_the_report_is_written_within_a_minute_and_five_megabytes(folder):
    files = sorted((folder / "images").iterdir())
    images = {f"{row:06}.jpg": files[row % len(files)] for row in range(IMAGES)}
    started = time.process_time()
    path = write_report(Tagger.load(folder), images=images)
    assert time.process_time() - started < 60
    assert path.stat().st_size < 5e6


def test_the_graph_is_drawn_and_sent_small_within_seconds(folder):
    tagger = Tagger.load(folder)
    context = tagger.folder.context
    started = time.process_time()
    figure = graph_figure(summarise_graph(context, 0.4).drawn)
    figure.savefig(folder / "graph.svg")
    whole, near = graph(tagger), graph_around(tagger, 9_000)
    assert time.process_time() - started < 20
    assert len(str(whole)) < 200_000
    assert {tagger.labels[9_000]} <= {node["label"] for node in near["nodes"]} or not near["edges"]


def test_known_labels_move_others_without_a_matrix(folder):
    tagger = Tagger.load(folder)
    started = time.process_time()
    update = tagger.known_update
    row = tagger.known_row({tagger.labels[5]: 1, tagger.labels[9]: 0})
    logits = np.zeros((1, LABELS))
    assert (update.labels.update(logits, row[None]) != logits).mean() > 0.2
    assert time.process_time() - started < 5
