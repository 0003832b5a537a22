"""A tagger as of thousands of labels: targets, counts and graph are sparse, its tags the same."""

from __future__ import annotations

import numpy as np
from safetensors import safe_open

from imlgcn.data import dataset
from imlgcn.labels import targets
from imlgcn.models.heads import ml_gcn
from imlgcn.tagger import Tagger
from imlgcn.tagger.folder import GRAPH, STORED, WEIGHTS, TaggerFolder


def test_a_tagger_with_everything_sparse_scores_as_one_with_matrices(
    tagger, train_tiny, tmp_path, shapes, monkeypatch
):
    monkeypatch.setattr(dataset, "MOST_DENSE", 0)
    monkeypatch.setattr(targets, "ENTRIES_PER_LABEL", 0)
    for module in (targets, ml_gcn):
        monkeypatch.setattr(module, "MANY_LABELS", 1)
    made = train_tiny(tmp_path / "sparse")
    with safe_open(made.path / WEIGHTS, "numpy") as file:
        keys = set(file.keys())
    assert GRAPH not in keys
    assert {"head.edge_sources", f"{STORED}pair_counts.columns"} <= keys
    sparse, dense = (TaggerFolder(each.path, each.labels) for each in (made, tagger))
    np.testing.assert_allclose(sparse.graph, dense.graph, rtol=1e-6)
    np.testing.assert_array_equal(sparse.context.pair_counts, dense.context.pair_counts)
    photo = shapes.parent / "03.png"
    again = Tagger.load(made.path)
    ours, theirs = (each.predict_proba(photo, known={"blue": 1}) for each in (again, tagger))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
