"""Training on shards is training on files: the same features and weights, the same order."""

from pathlib import Path

import pytest
import torch

from imlgcn import pack
from imlgcn.data import packed
from imlgcn.data.packed import reading_order
from imlgcn.tagger.folder import WEIGHTS
from imlgcn.training.order import epoch_order
from runs import TUNED


def member(shard, number):
    return packed.member_path(Path(f"{shard}.tar"), 1024 * number + 512, 9, f"{number}.jpg")


def cell(group, row, size=packed.KEPT // 2):
    return packed.cell_path(Path("a.parquet"), "image", group, row, size, f"{row}.jpg")


@pytest.mark.parametrize("format", ["webdataset", "parquet"])
def test_a_head_trained_on_shards_has_the_weights_of_one_trained_on_files(
    format, tagger, train_tiny, shapes, tmp_path, monkeypatch
):
    monkeypatch.setenv("IMLGCN_CACHE", str(tmp_path / "cache"))  # extract anew
    pack(shapes, tmp_path / "shards", format=format, max_size=0.05)
    train_tiny(tmp_path / "run", tmp_path / "shards")
    assert (tmp_path / "run" / WEIGHTS).read_bytes() == (tagger.path / WEIGHTS).read_bytes()


@pytest.mark.slow
def test_a_backbone_tuned_on_shards_has_the_weights_of_one_tuned_on_files(
    fine_tuned, train_tiny, shapes, tmp_path
):
    pack(shapes, tmp_path / "shards", max_size=0.05)
    train_tiny(tmp_path / "run", tmp_path / "shards", **TUNED)
    assert (tmp_path / "run" / WEIGHTS).read_bytes() == (fine_tuned.path / WEIGHTS).read_bytes()


def test_files_and_shards_of_one_window_have_the_order_of_files():
    files = [Path(f"{number}.jpg") for number in range(100)]
    order = torch.randperm(100, generator=torch.Generator().manual_seed(5)).tolist()
    assert epoch_order(files, 5) == order
    assert epoch_order([member(number // 10, number) for number in range(100)], 5) == order
    assert epoch_order([cell(number // 60, number % 60) for number in range(100)], 5) == order
    assert epoch_order([*files[:50], *[cell(n, 0) for n in range(50)]], 5) == order


@pytest.mark.parametrize(
    ("paths", "most"),
    [
        ([member(number // 2048, number) for number in range(40_000)], 17),
        ([cell(number // 100, number % 100) for number in range(2_000)], 2),
    ],
)
def test_an_epoch_takes_each_image_once_and_reads_few_blocks_at_a_time(paths, most):
    order = epoch_order(paths, 3)
    assert sorted(order) == list(range(len(paths)))
    assert order == epoch_order(paths, 3)
    assert order != epoch_order(paths, 4)
    blocks = [packed.block_of(paths[row], row) for row in order]
    first, last = {}, {}
    for place, block in enumerate(blocks):
        first.setdefault(block, place)
        last[block] = place
    at_once = max(
        sum(first[block] <= place <= last[block] for block in first)
        for place in range(0, len(order), 997)
    )
    assert at_once <= most
    for block in first:  # also of the last window
        inside = [row for row, own in zip(order, blocks, strict=True) if own == block]
        assert inside != sorted(inside)
    early = {block.number for block in blocks[: len(blocks) // 10]}
    assert early != {*range(len(early))}  # blocks are shuffled, too


def test_each_row_group_of_a_list_in_any_order_is_read_once():
    paths = [cell(2, 0), cell(1, 0), Path("b.jpg"), cell(2, 1), member(0, 5), cell(1, 1)]
    assert reading_order(paths) == [2, 4, 0, 3, 1, 5]
    files = [Path("b.jpg"), member(0, 5), Path("a.jpg"), member(0, 2)]
    assert reading_order(files) == [0, 1, 2, 3]
