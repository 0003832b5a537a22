"""The kernel head of rows that are taken a block at a time: the same head, in less memory."""

from __future__ import annotations

import pytest
import torch

from imlgcn.errors import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.models import kernel_fit
from imlgcn.models.heads import create_head, kernel

N, CHANNELS, L, BLOCK = 60, (4, 5, 12), 3, 7


class Rows:
    """Rows that stay in a file: no more than a block, or the sample that stages are chosen by."""

    def __init__(self, level):
        self.level, self.asked = level, []

    @property
    def shape(self):
        return tuple(self.level.shape)

    def __getitem__(self, rows):
        found = self.level[rows]
        self.asked.append((len(found), isinstance(rows, slice)))
        return found


@pytest.fixture
def levels():
    found = [torch.randn(N, channels, 1, 1) + 2 for channels in CHANNELS]
    found[0][:, 2] = 7.0  # constant: it says nothing
    return found


@pytest.fixture
def targets(levels):
    found = (levels[2][:, :L, 0, 0] + levels[1][:, :L, 0, 0] > 4.5).to(torch.int8)
    found[::9, 1] = -1
    return found


@pytest.fixture(params=[True, False], ids=["exact", "landmarks"])
def exact(request, monkeypatch):
    if not request.param:
        monkeypatch.setattr(kernel_fit, "EXACT_IMAGES", 0)
    return request.param


def learn(features, targets, groups=None):
    head = create_head("kernel", CHANNELS, LabelContext.placeholder(L))
    held = head.held_out(features, targets, torch.arange(N) % 5)[0]
    head.fit(features, targets, groups)
    return head, held


def test_blocks_of_rows_give_the_same_head(levels, targets, exact, monkeypatch):
    whole, held = learn(tuple(levels), targets)
    monkeypatch.setattr(kernel, "ROWS_AT_ONCE", BLOCK)
    head, again = learn(tuple(levels), targets)
    assert head.fitted_options() == whole.fitted_options()
    assert torch.equal(head.support, whole.support)
    assert torch.equal(head.stage_support, whole.stage_support)
    torch.testing.assert_close(again, held, atol=1e-5, rtol=0, equal_nan=True)
    state, wanted = head.state_dict(), whole.state_dict()
    for name in wanted:
        torch.testing.assert_close(state[name], wanted[name], atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("several", [True, False])
def test_rows_that_stay_in_files_are_asked_for_a_block_at_a_time(
    levels, targets, exact, several, monkeypatch
):
    monkeypatch.setattr(kernel, "ROWS_AT_ONCE", BLOCK)
    if not several:
        levels, monkey = levels[2:], (12,)
        monkeypatch.setitem(globals(), "CHANNELS", monkey)
    rows = [Rows(level) for level in levels]
    given = tuple(levels) if several else levels[0]
    wanted, held = learn(given, targets)
    head, again = learn(tuple(rows) if several else rows[0], targets)
    for name, value in wanted.state_dict().items():
        assert torch.equal(head.state_dict()[name], value), name
    assert torch.equal(again.nan_to_num(), held.nan_to_num())
    blocks = [count for row in rows for count, is_block in row.asked if is_block]
    assert 0 < max(blocks) <= BLOCK


def test_a_block_that_is_not_finite_is_refused(levels, targets, monkeypatch):
    monkeypatch.setattr(kernel, "ROWS_AT_ONCE", BLOCK)
    levels[2][N - 1, 3] = torch.inf
    with pytest.raises(InputError, match="not finite"):
        learn(tuple(levels), targets)
