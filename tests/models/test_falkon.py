"""Landmarks against the exact solution of the kernel head, and against slow algebra."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from imlgcn.labels.context import LabelContext
from imlgcn.models import falkon, kernel_fit, kernel_regression
from imlgcn.models.falkon import Falkon, conjugate_gradients, gram_, landmarks
from imlgcn.models.heads import create_head
from imlgcn.models.kernel_fit import fit_kernel, hold_out_kernel
from imlgcn.models.kernel_regression import gaussian_, squared_distances, unit_roots

N, D, L, GAMMA, RIDGE = 90, 12, 4, 2.0, 0.1


@pytest.fixture
def units():
    return unit_roots(torch.randn(N, D)).half()


@pytest.fixture
def targets():
    return (torch.rand(N, L) < 0.3).to(torch.int8)


@pytest.fixture
def beyond(monkeypatch):
    """Every number of images is beyond the exact solution."""
    monkeypatch.setattr(kernel_fit, "EXACT_IMAGES", 0)


@pytest.fixture
def accurate(monkeypatch):
    """Held-out scores are as accurate as the others."""
    monkeypatch.setattr(kernel_fit, "FOLD_TOLERANCE", falkon.TOLERANCE)


def use(monkeypatch, count):
    monkeypatch.setitem(Falkon.__init__.__kwdefaults__, "most", count)


def scores(found, units, queries):
    distances = squared_distances(queries.double(), units[found.rows].double())
    return gaussian_(distances, GAMMA, found.scale) @ found.weights + found.mean


def hide(targets, share):
    """Every label gets its own unknown targets."""
    return torch.where(torch.rand(targets.shape) < share, -1, targets).to(torch.int8)


@pytest.mark.parametrize("share", [0, 0.1, 0.6])
def test_with_every_image_a_landmark_the_scores_are_the_exact_ones(
    units, targets, share, accurate, monkeypatch
):
    targets = hide(targets, share)
    folds = torch.arange(N) // 3 % 5
    queries = unit_roots(torch.randn(20, D))
    exact = fit_kernel(units, targets, GAMMA, RIDGE)
    exactly_held = hold_out_kernel(units, targets, GAMMA, RIDGE, folds)[0]
    monkeypatch.setattr(kernel_fit, "EXACT_IMAGES", 0)
    found = fit_kernel(units, targets, GAMMA, RIDGE)
    assert found.scale == exact.scale
    torch.testing.assert_close(
        scores(found, units, queries), scores(exact, units, queries), atol=1e-4, rtol=0
    )
    held = hold_out_kernel(units, targets, GAMMA, RIDGE, folds)[0]
    torch.testing.assert_close(held, exactly_held, atol=5e-4, rtol=0, equal_nan=True)


def test_fewer_landmarks_solve_the_normal_equations(units, targets, beyond, monkeypatch):
    use(monkeypatch, 30)
    targets = hide(targets, 0.2)
    found = fit_kernel(units, targets, GAMMA, RIDGE)
    chosen = units[landmarks(N, 30)].double()
    assert torch.equal(found.rows, landmarks(N, 30))
    wide = gaussian_(squared_distances(units.double(), chosen), GAMMA, found.scale)
    small = gaussian_(squared_distances(chosen, chosen), GAMMA, found.scale)
    for label, column in enumerate(targets.T):
        rows = column >= 0
        T = column[rows].double()
        K = wide[rows]
        A = torch.linalg.solve(K.T @ K + RIDGE * small, K.T @ (T - T.mean()))
        torch.testing.assert_close(wide @ found.weights[:, label], wide @ A, atol=1e-4, rtol=0)


def test_held_out_scores_of_landmarks_are_those_of_the_other_folds(
    units, targets, beyond, accurate, monkeypatch
):
    use(monkeypatch, 40)
    targets = hide(targets, 0.2)
    folds = torch.arange(N) * 7 % 3 + 5
    found = hold_out_kernel(units, targets, GAMMA, RIDGE, folds)[0]
    fit = Falkon(units, GAMMA, RIDGE)
    chosen = units[fit.rows].double()
    wide = gaussian_(squared_distances(units.double(), chosen), GAMMA, fit.scale)
    small = gaussian_(squared_distances(chosen, chosen), GAMMA, fit.scale)
    for label, column in enumerate(targets.T):
        mean = column[column >= 0].double().mean()
        for fold in (5, 6, 7):
            rows = (column >= 0) & (folds != fold)
            K, T = wide[rows], column[rows].double()
            A = torch.linalg.solve(K.T @ K + RIDGE * small, K.T @ (T - mean))
            out = (column >= 0) & (folds == fold)
            torch.testing.assert_close(found[out, label], wide[out] @ A + mean, atol=1e-3, rtol=0)
    assert torch.equal(found.isnan(), targets < 0)


def test_landmarks_hold_out_few_groups_only(units, targets, beyond):
    assert hold_out_kernel(units, targets, GAMMA, RIDGE, torch.arange(N)) is None
    found = hold_out_kernel(units, targets, GAMMA, RIDGE, torch.arange(N) % kernel_fit.FOLDS)
    assert found is not None
    assert found[0].shape == targets.shape


def test_the_memory_that_is_left_decides_what_is_kept_and_no_number(
    units, targets, beyond, monkeypatch
):
    monkeypatch.setattr(falkon, "BLOCK", 16)
    kept = fit_kernel(units, targets, GAMMA, RIDGE)
    for left, most, blocks in (
        (2 * 3 * 4 * 16 * N, 2**30, 3),
        (2**30, 2 * 4 * 16 * N, 2),
        (0, 1, 0),
    ):
        monkeypatch.setattr(falkon, "available_memory", lambda left=left: left)
        monkeypatch.setattr(falkon, "MOST_KEPT", most)
        assert len(Falkon(units, GAMMA, RIDGE).kernel._kept) == blocks
        assert torch.equal(fit_kernel(units, targets, GAMMA, RIDGE).weights, kept.weights)


@pytest.mark.parametrize("exact", [False, True])
def test_labels_solved_block_by_block_get_the_same_scores(units, targets, exact, monkeypatch):
    monkeypatch.setattr(kernel_fit, "EXACT_IMAGES", N if exact else 0)
    targets, folds = hide(targets, 0.1), torch.arange(N) % 5
    fitted = fit_kernel(units, targets, GAMMA, RIDGE)
    held = hold_out_kernel(units, targets, GAMMA, RIDGE, folds)[0]
    monkeypatch.setattr(kernel_fit, "ENTRIES", 2 * N)  # two labels, and one with its folds
    monkeypatch.setattr(kernel_regression, "ENTRIES", N)
    again = fit_kernel(units, targets, GAMMA, RIDGE)
    for whole, in_blocks in zip(fitted, again, strict=True):
        torch.testing.assert_close(in_blocks, whole, atol=2e-5, rtol=0)
    found = hold_out_kernel(units, targets, GAMMA, RIDGE, folds)[0]
    torch.testing.assert_close(found, held, atol=2e-3, rtol=0, equal_nan=True)


def test_the_same_images_give_the_same_bytes(units, targets, beyond, monkeypatch):
    use(monkeypatch, 50)
    one = fit_kernel(units, targets, GAMMA, RIDGE)
    torch.manual_seed(99)  # nothing is drawn from the state of the caller
    other = fit_kernel(units, targets, GAMMA, RIDGE)
    assert torch.equal(one.weights, other.weights)
    assert torch.equal(one.rows, other.rows)


def test_landmarks_are_in_order_different_and_all_where_there_are_few():
    assert landmarks(5, 9).tolist() == [0, 1, 2, 3, 4]
    drawn = landmarks(1000, 100)
    assert len(drawn.unique()) == 100
    assert torch.equal(drawn, drawn.sort()[0])
    assert 400 < float(drawn.double().mean()) < 600


def test_few_steps_are_enough(beyond, monkeypatch):
    """Without the landmarks' second moments it takes more than 50."""
    steps = []
    system = Falkon._system
    monkeypatch.setattr(Falkon, "_system", lambda *given: steps.append(1) or system(*given))
    use(monkeypatch, 200)
    units = unit_roots(torch.randn(600, D)).half()
    fit_kernel(units, (units[:, :1] > 0).to(torch.int8), GAMMA, RIDGE)
    assert len(steps) < 20


def test_copies_of_images_and_labels_without_known_rows_are_solved(units, targets, beyond):
    units[30:] = units[:30].repeat(2, 1)
    targets[:, 1] = -1
    targets[:, 2] = 1
    found = fit_kernel(units, targets, GAMMA, RIDGE)
    assert scores(found, units, units).isfinite().all()
    torch.testing.assert_close(
        scores(found, units, units[:3])[:, 1:3].float(), torch.tensor([[0.0, 1]] * 3)
    )


def test_more_work_than_the_exact_solution_may_take_is_left_to_landmarks(
    units, targets, monkeypatch
):
    targets = hide(targets, 0.3)
    assert kernel_fit.is_exact(targets)
    monkeypatch.setattr(kernel_fit, "EXACT_WORK", N**3 / 2)
    assert kernel_fit.is_exact(targets[:, :1])
    assert not kernel_fit.is_exact(targets)
    use(monkeypatch, 20)
    assert len(fit_kernel(units, targets, GAMMA, RIDGE).rows) == 20


def test_the_head_keeps_the_landmarks(units, targets, beyond, monkeypatch):
    use(monkeypatch, 25)
    head = create_head("kernel", D, LabelContext.placeholder(L)).eval()
    features = torch.randn(N, D, 1, 1)
    head.fit(features, targets)
    assert head.fitted_options() == {"support": 25, "stages": 0}
    roots = unit_roots(features[:, :, 0, 0].double())
    torch.testing.assert_close(head.support, roots.half()[landmarks(N, 25)])
    found = fit_kernel(roots.half(), targets, GAMMA, RIDGE)
    expected = scores(found, roots.half(), roots).float()
    torch.testing.assert_close(head(features), expected, atol=1e-4, rtol=0)
    assert head.held_out(features, targets, torch.arange(N)) is None
    assert head.held_out(features, targets, torch.arange(N) % 5)[0].dtype == torch.float32


def test_every_column_of_conjugate_gradients_is_solved_on_its_own():
    matrix = torch.randn(8, 8, dtype=torch.float64)
    matrix = matrix @ matrix.T + torch.eye(8)
    wanted = torch.randn(8, 3, dtype=torch.float64)
    wanted[:, 1] = 0
    found = conjugate_gradients(lambda X: matrix @ X, wanted)
    torch.testing.assert_close(matrix @ found, wanted, atol=1e-3, rtol=0)
    assert torch.equal(found[:, 1], torch.zeros(8).double())


@pytest.mark.parametrize("size", [1, 7, 64, 101])
def test_a_triangle_is_multiplied_by_halves_as_at_once(size, monkeypatch):
    monkeypatch.setattr(falkon, "LEAF", 8)
    lower = torch.randn(size, size).tril()
    product = torch.zeros(size, size)
    gram_(lower, product)
    torch.testing.assert_close(product.triu(), (lower.T @ lower).triu())


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("count", "seconds", "memory"), [(20_000, 240, 8.0), (50_000, 600, 6.0)])
def test_many_images_are_fitted_within_time_and_memory(count, seconds, memory):
    """80 labels and 1,280 channels on two idle cores; 20,000 with exact leave-one-out scores."""
    what = "held_out" if count <= kernel_fit.EXACT_IMAGES else "fit"
    groups = ", torch.arange(N)" if what == "held_out" else ""
    program = f"""
import resource, time, torch
from imlgcn.labels.context import LabelContext
from imlgcn.models.heads import create_head
N = {count}
torch.manual_seed(0)
centres, which = torch.randn(500, 1280), torch.arange(N) % 500
features = torch.empty(N, 1280, 1, 1)
for rows in torch.arange(N).split(4096):
    features[rows, :, 0, 0] = torch.randn(len(rows), 1280) + centres[which[rows]]
targets = (which[:, None] // 5 % 80 == torch.arange(80)).to(torch.int8)
start = time.perf_counter()
create_head("kernel", 1280, LabelContext.placeholder(80)).{what}(features, targets{groups})
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    took, used = (float(value) for value in run.stdout.split())
    assert took < seconds
    assert used < memory
