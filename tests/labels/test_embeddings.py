"""Label vectors from images."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from imlgcn.errors import InputError
from imlgcn.labels.embeddings import (
    image_embeddings,
    one_hot,
    pca_embeddings,
    random_embeddings,
    standardize,
)

PLAIN = {"centred": False, "unit_rms": False}
FEATURES = np.array([[1.0, 0], [3, 0], [0, 8], [5, 2]], np.float32)
TARGETS = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [1, 1, -1]], np.int8)


@pytest.fixture
def data():
    generator = np.random.default_rng(0)
    features = generator.gamma(1.0, size=(60, 12)).astype(np.float32)
    targets = generator.choice([1, 0, -1], size=(60, 5), p=[0.25, 0.65, 0.1]).astype(np.int8)
    return features, targets


def image_embeddings_by_loops(features, targets, images):
    rows = []
    for label in range(targets.shape[1]):
        total, weight_sum = np.zeros(features.shape[1]), 0.0
        alone = [n for n in range(len(targets)) if targets[n, label] == 1]
        if images == "sole":
            alone = [n for n in alone if (targets[n] == 1).sum() == 1] or alone
        for n in alone:
            weight = 1 / (targets[n] == 1).sum() if images == "weighted" else 1.0
            total += weight * features[n]
            weight_sum += weight
        rows.append(total / weight_sum)
    return np.array(rows)


@pytest.mark.parametrize("images", ["all", "sole", "weighted"])
def test_image_embeddings_equal_a_plain_loop(data, images):
    found = image_embeddings(*data, images=images, **PLAIN)
    np.testing.assert_allclose(found, image_embeddings_by_loops(*data, images), rtol=1e-6)
    assert found.dtype == np.float32


def test_all_images_of_a_label_count_the_same():
    found = image_embeddings(FEATURES, TARGETS, **PLAIN)
    np.testing.assert_allclose(found[:2], [[3, 2 / 3], [8 / 3, 10 / 3]], rtol=1e-6)


def test_sole_images_are_taken_where_there_are_any():
    targets = np.array([[1, 0], [1, 1], [0, 0], [1, 1]], np.int8)
    found = image_embeddings(FEATURES, targets, images="sole", **PLAIN)
    np.testing.assert_allclose(found, [[1, 0], [4, 1]])  # the second label is never alone


def test_an_unknown_label_does_not_make_another_less_alone():
    targets = np.array([[1, -1], [1, 1], [1, 1], [0, 1]], np.int8)
    found = image_embeddings(FEATURES, targets, images="sole", **PLAIN)
    np.testing.assert_allclose(found[0], [1, 0])


def test_crowded_images_weigh_less_when_weighted():
    found = image_embeddings(FEATURES, TARGETS, images="weighted", **PLAIN)
    np.testing.assert_allclose(found[0], [(1 + 1.5 + 2.5) / 2, 1 / 2])


def test_a_label_never_seen_gets_the_mean_of_the_others():
    found = image_embeddings(FEATURES, TARGETS, **PLAIN)
    np.testing.assert_allclose(found[2], found[:2].mean(axis=0), rtol=1e-6)


def test_a_label_never_seen_is_zero_once_centred():
    found = image_embeddings(FEATURES, TARGETS)
    np.testing.assert_allclose(found[2], 0, atol=1e-7)
    assert np.abs(found[:2]).max() > 0.5


def test_without_any_positive_all_labels_get_the_mean_image():
    found = image_embeddings(FEATURES, np.zeros((4, 2), np.int8), **PLAIN)
    np.testing.assert_allclose(found, [[2.25, 2.5]] * 2)


def test_centred_unit_rms_is_what_it_says(data):
    found = image_embeddings(*data)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-6)
    assert np.sqrt(np.mean(found**2)) == pytest.approx(1, abs=1e-6)


def test_blocks_change_nothing(data, monkeypatch):
    whole = image_embeddings(*data)
    monkeypatch.setattr("imlgcn.labels.embeddings.IMAGES_PER_BLOCK", 7)
    np.testing.assert_allclose(image_embeddings(*data), whole, atol=1e-6)


def test_permuting_the_labels_permutes_the_embeddings(data):
    features, targets = data
    order = [3, 0, 4, 1, 2]
    found = image_embeddings(features, targets[:, order])
    np.testing.assert_allclose(found, image_embeddings(features, targets)[order], atol=1e-6)


def test_half_precision_features_are_averaged_exactly():
    features = np.full((4096, 1), 2049, np.float16)  # float16 sums would overflow
    targets = np.ones((4096, 1), np.int8)
    assert image_embeddings(features, targets, **PLAIN)[0, 0] == float(features[0, 0])


def test_standardize_does_not_change_its_input():
    vectors = np.array([[1.0, 2.0], [5.0, 9.0]])
    standardize(vectors)
    assert vectors.tolist() == [[1, 2], [5, 9]]


def test_zeros_are_not_scaled():
    assert standardize(np.zeros((2, 3))).tolist() == np.zeros((2, 3)).tolist()


def test_a_single_label_keeps_its_vector():
    found = image_embeddings(FEATURES, TARGETS[:, :1])
    np.testing.assert_allclose(found[0] / found[0, 0], [1, (2 / 3) / 3], rtol=1e-6)
    np.testing.assert_allclose(np.abs(pca_embeddings(found)), [[1.0]])


def test_pca_equals_scikit_learn_up_to_sign(data):
    f_i = image_embeddings(*data, **PLAIN)
    expected = PCA(n_components=3, svd_solver="full").fit_transform(f_i.astype(np.float64))
    found = pca_embeddings(f_i, 3, unit_rms=False)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-5)


def test_pca_keeps_all_distances_when_it_keeps_all_components(data):
    f_i = image_embeddings(*data, **PLAIN)
    found = pca_embeddings(f_i, unit_rms=False)
    assert found.shape == (5, 4)  # centring leaves L - 1
    for i in range(5):
        for j in range(5):
            before, after = np.linalg.norm(f_i[i] - f_i[j]), np.linalg.norm(found[i] - found[j])
            assert before == pytest.approx(after, abs=1e-5)


def test_pca_without_centring_keeps_scalar_products_in_as_many_dimensions_as_labels(data):
    f_i = image_embeddings(*data, **PLAIN)
    found = pca_embeddings(f_i, 5, centred=False, unit_rms=False)
    np.testing.assert_allclose(found @ found.T, f_i @ f_i.T, rtol=1e-4)


def test_pca_of_centred_and_of_raw_embeddings_agree(data):
    raw, centred = image_embeddings(*data, **PLAIN), image_embeddings(*data)
    np.testing.assert_allclose(pca_embeddings(raw), pca_embeddings(centred), atol=1e-4)


def test_pca_signs_do_not_depend_on_the_order_of_labels(data):
    f_i = image_embeddings(*data)
    order = [4, 2, 0, 1, 3]
    np.testing.assert_allclose(pca_embeddings(f_i[order]), pca_embeddings(f_i)[order], atol=1e-5)


def test_pca_points_to_its_largest_loading():
    f_i = np.array([[0.0, 0.0], [1.0, -3.0]])  # axis (1, -3): the larger loading is the second
    np.testing.assert_allclose(
        pca_embeddings(f_i, unit_rms=False)[:, 0], np.array([1, -1]) * 2.5**0.5
    )


def test_pca_has_unit_rms_after_components_were_dropped(data):
    found = pca_embeddings(image_embeddings(*data), 2)
    assert np.sqrt(np.mean(found**2)) == pytest.approx(1, abs=1e-6)


def test_pca_may_keep_one_component(data):
    f_i = image_embeddings(*data)
    np.testing.assert_array_equal(
        pca_embeddings(f_i, 1, unit_rms=False), pca_embeddings(f_i, unit_rms=False)[:, :1]
    )


@pytest.mark.parametrize(("second", "components"), [(1e-6, 1), (1.4e-6, 2)])
def test_pca_takes_no_rounding_error_for_variance(second, components):
    f_i = np.zeros((2, 100))  # float32 rounds 100 numbers to about 10 * 1.2e-7 of the largest
    f_i[0, 0], f_i[1, 1] = 1, second
    assert pca_embeddings(f_i, centred=False).shape == (2, components)


def test_pca_of_labels_that_share_their_images_has_fewer_components(data):
    features, targets = data
    targets[:, 4] = targets[:, 0]
    assert pca_embeddings(image_embeddings(features, targets)).shape == (5, 3)


def test_one_hot_and_random_are_reproducible():
    assert one_hot(3).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    first = random_embeddings(50, 40, seed=1)
    np.testing.assert_array_equal(first, random_embeddings(50, 40, seed=1))
    np.testing.assert_array_equal(random_embeddings(5, 4), random_embeddings(5, 4, seed=0))
    assert np.abs(first - random_embeddings(50, 40, seed=2)).max() > 1
    assert np.std(first) == pytest.approx(1, abs=0.1)
    assert one_hot(3).dtype == first.dtype == np.float32


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: image_embeddings(FEATURES[:3], TARGETS), r"got \(3, 2\) and \(4, 3\)"),
        (lambda: image_embeddings(FEATURES[:0], TARGETS[:0]), "at least one training image"),
        (lambda: image_embeddings(FEATURES * np.nan, TARGETS), "NaN or infinity"),
        (
            lambda: image_embeddings(np.where(FEATURES == 8, np.inf, FEATURES), TARGETS),
            "NaN or infinity",
        ),
        (lambda: image_embeddings(FEATURES, TARGETS, images="al"), "did you mean 'all'"),
        (
            lambda: pca_embeddings(np.eye(4, 9), 4),
            "4 labels has 3 components .* 1 to 3, or none for all",
        ),
        (lambda: pca_embeddings(np.eye(4, 9), 0), "got 0"),
        (lambda: pca_embeddings(np.ones((4, 9))), "all are equal"),
    ],
)
def test_input_that_makes_no_sense_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_whitened_components_have_one_variance_and_span_the_same_space(data):
    f_i = image_embeddings(*data)
    plain, white = (pca_embeddings(f_i, 3, whiten=whiten) for whiten in (False, True))
    np.testing.assert_allclose(white.T @ white / len(white), np.eye(3), atol=1e-5)
    lengths = np.linalg.norm(plain, axis=0)
    np.testing.assert_allclose(plain / lengths, white / np.linalg.norm(white, axis=0), atol=1e-5)
    assert lengths[0] > 1.1 * lengths[2]
