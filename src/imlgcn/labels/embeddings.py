"""One vector per label: from the images that show it (F_I, F_PCA), one-hot, or random.

F_I and F_PCA are the label embeddings of IML-GCN (Singh et al., 2022). How its authors average,
centre and scale is not published: each choice is an option here.

Shapes: N images, C channels of an image vector, L labels, D width of an embedding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imlgcn.errors import InputError, unknown_name
from imlgcn.labels.targets import TargetArray, Targets, few_entries

FloatArray = NDArray[np.float32]
Sums = NDArray[np.float64]
Images = Literal["all", "sole", "weighted"]
Total = Callable[[NDArray[Any]], NDArray[Any]]

IMAGES_PER_BLOCK = 8192  # float64 copies of image vectors held at once: 128 MB at C = 2048


def standardize(
    vectors: ArrayLike, *, centred: bool = True, unit_rms: bool = True
) -> NDArray[np.float64]:
    """Subtract the mean label vector and divide the whole matrix by its root mean square.

    Image-based vectors are averages after a ReLU and nearly parallel: without centring a graph
    network on them hardly trains. One scale for the whole matrix keeps the distances between labels
    in proportion; one per label or per dimension would not. A single label is not centred, and a
    matrix of zeros is not scaled.

    Args:
        vectors: ``(L, D)``.
        centred: subtract the mean over the labels.
        unit_rms: scale to a root mean square of 1 over all ``L * D`` entries.

    >>> standardize([[1.0, 0.0], [5.0, 0.0]]).round(3).tolist()
    [[-1.414, 0.0], [1.414, 0.0]]
    """
    nodes = np.array(vectors, np.float64)
    if centred and len(nodes) > 1:
        nodes -= nodes.mean(axis=0)
    rms = np.sqrt(np.mean(nodes**2))
    return nodes / rms if unit_rms and rms > 0 else nodes


def image_embeddings(
    features: NDArray[np.floating],
    targets: TargetArray,
    *,
    images: Images = "all",
    centred: bool = True,
    unit_rms: bool = True,
    total: Total = lambda part: part,
) -> FloatArray:
    r"""Return F_I: the mean vector of the images that show the label.

    .. math:: F_l = \sum_n w_{nl} f_n \, / \, \sum_n w_{nl}

    Args:
        features: f, ``(N, C)``, one pooled vector per training image.
        targets: ``(N, L)``, 1 present, 0 absent, -1 unknown; unknown counts as absent.
        images: "all": w = 1 for every image with the label; "sole": images on which it is the only
            label, or all of its images if there is none; "weighted": w = 1 / number of labels on
            the image.
        centred: see :func:`standardize`.
        unit_rms: see :func:`standardize`.
        total: returns the sum of an array over several processes, where each has a part of the
            images.

    Returns:
        float32 ``(L, C)``. A label without a positive image gets the mean of the other labels'
        vectors, which centring turns into zeros.

    Raises:
        InputError: shapes that do not fit, no image, a vector that is not finite, or an unknown
            value of ``images``.

    Differs from the paper: centring and scaling are our additions; ``centred=False,
    unit_rms=False`` gives the plain mean.
    """
    if features.ndim != 2 or targets.ndim != 2 or len(features) != len(targets):
        raise InputError(
            "label embeddings need features (images, channels) and targets (images, labels) of "
            f"the same images; got {features.shape} and {targets.shape}"
        )
    if not (N := total(np.array(len(features)))):
        raise InputError("label embeddings need at least one training image; got none")
    few = targets if isinstance(targets, Targets) else few_entries(targets)
    sums, counted = (  # (L, C), (L,)
        _dense_sums(features, targets, images, total)
        if few is None
        else _sparse_sums(features, few, images, total)
    )
    sums, counted = total(sums), total(counted)
    if not np.isfinite(sums).all():
        raise InputError("an image vector contains NaN or infinity; check the backbone's weights")
    seen = counted > 0
    means = np.empty_like(sums)
    means[seen] = sums[seen] / counted[seen, None]
    means[~seen] = (
        means[seen].mean(axis=0) if seen.any() else total(np.asarray(features).sum(axis=0)) / N
    )
    return standardize(means, centred=centred, unit_rms=unit_rms).astype(np.float32)


def _dense_sums(
    features: NDArray[Any], targets: Any, images: str, total: Total
) -> tuple[Sums, Sums]:
    weights = _image_weights(targets, images, total)  # (N, L)
    sums = np.zeros((targets.shape[1], features.shape[1]))  # (L, C)
    for start in range(0, len(features), IMAGES_PER_BLOCK):
        block = slice(start, start + IMAGES_PER_BLOCK)
        sums += weights[block].T.astype(np.float64) @ features[block]  # float64
    return sums, weights.sum(axis=0, dtype=np.float64)


def _sparse_sums(
    features: NDArray[Any], targets: Targets, images: str, total: Total
) -> tuple[Sums, Sums]:
    """Return the weighted sums of :func:`_dense_sums`: of the images that show a label, no other.

    Features are read in their order, once: they may lie on disk.
    """
    L = targets.shape[1]
    present = targets.entries.values == 1
    rows, columns = targets.entries.rows[present], targets.entries.columns[present]
    weights = _entry_weights(rows, columns, targets.shape, images, total)
    sums = np.zeros((L, features.shape[1]))  # (L, C)
    for start in range(0, len(rows), IMAGES_PER_BLOCK):
        stop = min(start + IMAGES_PER_BLOCK, len(rows))
        block = start + np.argsort(columns[start:stop], kind="stable")
        labels, begins = np.unique(columns[block], return_index=True)
        shown, at = np.unique(rows[block], return_inverse=True)
        weighted = features[shown][at] * weights[block, None]  # float64
        sums[labels] += np.add.reduceat(weighted, begins)
    return sums, np.bincount(columns, weights, minlength=L).astype(np.float64)


def _entry_weights(
    rows: NDArray[Any], columns: NDArray[Any], shape: tuple[int, int], images: str, total: Total
) -> Sums:
    """Return the weight of each pair of an image and a label on it."""
    N, L = shape
    labels_of = np.bincount(rows, minlength=N)[rows]  # of the entry's image
    if images == "weighted":
        return np.asarray(1 / labels_of, np.float64)
    if images == "sole":
        sole = labels_of == 1
        has_sole = total(np.bincount(columns[sole], minlength=L).astype(np.float64)) > 0
        return np.where(has_sole[columns], sole, True).astype(np.float64)
    if images != "all":
        raise _unknown_images(images)
    return np.ones(len(rows))


def _unknown_images(images: str) -> InputError:
    return unknown_name("value of images=", images, ("all", "sole", "weighted"))


def _image_weights(targets: NDArray[np.int8], images: str, total: Total) -> FloatArray:
    weights: FloatArray = (targets == 1).astype(np.float32)  # (N, L)
    labels_per_image = weights.sum(axis=1, keepdims=True)
    if images == "weighted":
        weights /= np.maximum(labels_per_image, 1)
    elif images == "sole":
        sole = weights * (labels_per_image == 1)
        has_sole = total(sole.sum(axis=0, dtype=np.float64)) > 0
        weights[:, has_sole] = sole[:, has_sole]
    elif images != "all":
        raise _unknown_images(images)
    return weights


def pca_embeddings(
    f_i: ArrayLike,
    dimension: int | None = None,
    *,
    centred: bool = True,
    unit_rms: bool = True,
    whiten: bool = False,
) -> FloatArray:
    r"""Return F_PCA: the scores of F_I on its leading principal components.

    .. math:: F_I - \bar F_I = U S V^\top, \qquad F_{PCA} = (U S)_{:, :d}

    With all components, distances between labels are those of F_I. By exact SVD in float64; the
    sign of each component makes its largest loading (entry of V by magnitude) positive, so that
    runs agree.

    Args:
        f_i: ``(L, C)``.
        dimension: d; None takes every component with variance, L - 1 or fewer if centred.
        centred: subtract the mean over labels first; without it the first component is close to
            that mean, and there are up to L components.
        unit_rms: see :func:`standardize`.
        whiten: leave S out, so that every component has the same variance.

    Returns:
        float32 ``(L, d)``.

    Raises:
        InputError: fewer than ``dimension`` components have variance, or none has.
    """
    nodes = standardize(f_i, centred=centred, unit_rms=False)  # (L, C)
    U, S, Vt = np.linalg.svd(nodes, full_matrices=False)
    # F_I is float32: singular values below this are rounding errors, not variance.
    rounding = S[0] * np.sqrt(max(nodes.shape)) * np.finfo(np.float32).eps
    rank = int(np.count_nonzero(rounding < S))
    if rank == 0:
        raise InputError(
            "F_PCA needs labels with different image vectors, but all are equal; use "
            "embedding=onehot, or add images that distinguish the labels"
        )
    if dimension is not None and not 1 <= dimension <= rank:
        raise InputError(
            f"F_PCA of {len(nodes)} labels has {rank} components with variance: dimension must be "
            f"1 to {rank}, or none for all; got {dimension}"
        )
    d = dimension or rank
    largest = np.abs(Vt[:d]).argmax(axis=1)
    signs = np.sign(Vt[np.arange(d), largest])  # (d,)
    lengths = np.ones(d) if whiten else S[:d]
    components = U[:, :d] * lengths * signs  # (L, d)
    return standardize(components, centred=False, unit_rms=unit_rms).astype(np.float32)


def one_hot(num_labels: int) -> FloatArray:
    """Return the identity, float32 ``(L, L)``: no prior knowledge about the labels."""
    return np.eye(num_labels, dtype=np.float32)


def random_embeddings(num_labels: int, dimension: int, seed: int = 0) -> FloatArray:
    """Return standard normal vectors, float32 ``(L, D)``, reproducible by seed."""
    drawn = np.random.default_rng(seed).standard_normal((num_labels, dimension))
    return drawn.astype(np.float32)
