"""Labels learnt from what people say of images, each answer replaced by a later one."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError
from imlgcn.files import content_number
from imlgcn.growing import annotated, changes, undo
from imlgcn.growing.annotated import ENOUGH, OTHER_HEAD, WHAT, learn_answers
from imlgcn.growing.examples import DecodedFile
from imlgcn.growing.state import read_state
from imlgcn.models.kernel_regression import solve, squared_distances
from imlgcn.tagger import Tagger
from imlgcn.tagger.folder import LEARNT, MODEL


@pytest.fixture
def decoded(kernel_tagger, crosses):
    """The crosses as the server decodes them, by name."""
    return decode(kernel_tagger, {f"cross {n}": path for n, path in enumerate(crosses)})


def decode(tagger, paths) -> dict[str, DecodedFile]:
    return {
        name: DecodedFile(tagger.load_input(path), content_number(name.encode().ljust(8)))
        for name, path in paths.items()
    }


def probabilities(tagger, file: DecodedFile) -> dict[str, float]:
    row = Tagger.load(tagger.path).probabilities(file.pixels[None])[0]
    return dict(zip(tagger.labels, row.tolist(), strict=True))


def test_a_label_of_the_head_is_solved_as_the_head_was(own_kernel, decoded):
    """Without anything new it would be the head as it is; with it, a solution of all images."""
    state = read_state(own_kernel)
    old = solve(kernel_of(state, []), torch.from_numpy(state.support.targets), state.head.ridge)
    torch.testing.assert_close(old.weights.float(), state.head.weights, rtol=0, atol=2e-3)

    answers = {"cross 0": {"red": 1, "dark": 0}, "cross 1": {"red": 1}}
    _, taught = learn_answers(own_kernel, answers, decoded)
    assert taught.learnt == ("dark", "red")
    grown = read_state(own_kernel)
    vectors = grown.added.new_rows.double()
    targets = np.concatenate([state.support.targets, np.full((2, 5), -1, np.int8)])
    red, dark = state.info.labels.index("red"), state.info.labels.index("dark")
    targets[-2:, red], targets[-2, dark] = (1, 1), 0
    found = solve(kernel_of(state, [vectors]), torch.from_numpy(targets), state.head.ridge)
    place = grown.growth.outputs[red][0] - len(state.info.labels)
    N = len(state.support.images)
    assert float(grown.added.offset[place]) == pytest.approx(float(found.mean[red]), abs=1e-5)
    torch.testing.assert_close(
        grown.added.old[:, place].double(), found.weights[:N, red], rtol=0, atol=1e-3
    )
    torch.testing.assert_close(
        grown.added.new[:, place].double(), found.weights[N:, red], rtol=0, atol=1e-3
    )


def kernel_of(state, more):
    vectors = torch.cat([state.head.fitted_vectors(torch.float64), *more])
    return (squared_distances(vectors, vectors).fill_diagonal_(0) * -state.head.kernel_rate()).exp()


def test_an_answer_moves_its_label_and_leaves_the_others_to_the_last_bit(own_kernel, decoded):
    before = probabilities(Tagger.load(own_kernel), decoded["cross 0"])
    wrong = int(before["circle"] < 0.5)
    tagger, _ = learn_answers(own_kernel, {"cross 0": {"circle": wrong}}, decoded)
    after = probabilities(tagger, decoded["cross 0"])
    assert (after["circle"] > before["circle"]) == bool(wrong)
    assert abs(after["circle"] - before["circle"]) > 0.2
    assert {k: v for k, v in after.items() if k != "circle"} == {
        k: v for k, v in before.items() if k != "circle"
    }


@pytest.mark.thorough
def test_an_answer_that_is_taken_back_or_replaced_counts_no_longer(own_kernel, tmp_path, decoded):
    other = shutil.copytree(own_kernel, tmp_path / "other")
    learn_answers(own_kernel, {"cross 0": {"red": 1}, "cross 1": {"red": 1}}, decoded)
    learn_answers(own_kernel, {"cross 0": {"red": -1}, "cross 1": {"red": 0}}, {})
    learn_answers(other, {"cross 1": {"red": 0}}, decoded)
    for name in ("cross 0", "cross 1", "cross 2"):
        one, two = (probabilities(Tagger.load(path), decoded[name]) for path in (own_kernel, other))
        assert one["red"] == pytest.approx(two["red"], abs=1e-4)
    assert len(read_state(own_kernel).support.images) == read_state(own_kernel).fitted + 2


@pytest.mark.thorough
def test_a_new_label_waits_until_enough_images_show_it(own_kernel, decoded):
    few = {f"cross {n}": {"cross": 1} for n in range(ENOUGH - 1)}
    before = (own_kernel / MODEL).read_bytes()
    tagger, taught = learn_answers(own_kernel, few, decoded)
    assert (taught.learnt, taught.waiting) == ((), {"cross": ENOUGH - 1})
    assert "cross" not in tagger.labels
    assert (own_kernel / MODEL).read_bytes() == before
    tagger, taught = learn_answers(own_kernel, {**few, "cross 4": {"cross": 1}}, decoded)
    assert (taught.added, taught.learnt) == (("cross",), ("cross",))
    scores = [probabilities(tagger, decoded[f"cross {n}"])["cross"] for n in range(6)]
    assert np.median(scores) > 0.9
    none = {name: {"cross": -1} for name in [*few, "cross 4"]}
    tagger, taught = learn_answers(own_kernel, none, {})
    assert taught.gone == ("cross",)
    assert (
        tagger.labels
        == Tagger.load(own_kernel).labels
        == ("blue", "circle", "dark", "red", "square")
    )


@pytest.mark.thorough
def test_what_is_learnt_one_by_one_is_what_is_learnt_at_once(own_kernel, tmp_path, decoded):
    other = shutil.copytree(own_kernel, tmp_path / "other")
    answers = {f"cross {n}": {"red": n % 2, "cross": 1} for n in range(4)}
    for count in range(1, 5):
        learn_answers(own_kernel, dict(list(answers.items())[:count]), decoded)
    learn_answers(other, answers, decoded)
    one, two = (
        probabilities(Tagger.load(path), decoded["cross 5"]) for path in (own_kernel, other)
    )
    assert one == pytest.approx(two, abs=2e-3)


@pytest.mark.thorough
def test_all_that_was_learnt_is_one_change_and_taken_back_at_once(own_kernel, decoded):
    before = (own_kernel / MODEL).read_bytes()
    for n in range(3):
        learn_answers(own_kernel, {f"cross {n}": {"red": 1}}, decoded)
    assert [change.what for change in changes(own_kernel)] == [WHAT]
    assert (
        Tagger.load(own_kernel)
        .folder.learnt()
        .include(np.array([decoded["cross 2"].content], np.uint64))
        .all()
        or not (own_kernel / LEARNT).is_file()
    )
    undo(own_kernel)
    assert (own_kernel / MODEL).read_bytes() == before
    assert changes(own_kernel) == []


@pytest.mark.thorough
def test_what_is_said_of_a_training_image_counts_more_than_its_old_label(own_kernel, shapes):
    data = load_dataset(shapes).split("train")
    state = read_state(own_kernel)
    red = state.info.labels.index("red")
    row = next(r for r, t in enumerate(state.support.targets[:, red]) if t == 1)
    name = state.support.images[row]
    path = next(record.path for record in load_dataset(shapes).records if record.name == name)
    assert data.names
    file = decode(Tagger.load(own_kernel), {"same": path})
    before = probabilities(Tagger.load(own_kernel), file["same"])["red"]
    tagger, _ = learn_answers(own_kernel, {"same": {"red": 0}}, file)
    after = probabilities(tagger, file["same"])["red"]
    assert before > 0.5 > after
    assert read_state(own_kernel).support.targets[row, red] == 1, "the training's label stays"


@pytest.mark.thorough
def test_labels_of_another_head_are_not_learnt_and_that_is_said(
    tagger, with_support, tmp_path, decoded, crosses
):
    folder = shutil.copytree(tagger.path, tmp_path / "linear")
    answers = {f"cross {n}": {"red": 1, "cross": 1} for n in range(ENOUGH)}
    files = decode(tagger, {f"cross {n}": path for n, path in enumerate(crosses)})
    before = probabilities(Tagger.load(folder), files["cross 0"])
    grown, taught = learn_answers(folder, answers, files)
    assert taught.fixed == {"red": OTHER_HEAD}
    assert taught.added == ("cross",)
    after = probabilities(grown, files["cross 0"])
    assert {name: after[name] for name in before} == before


def test_an_image_that_is_not_there_is_said_and_changes_nothing(own_kernel):
    before = (own_kernel / MODEL).read_bytes()
    with pytest.raises(InputError, match="neither known nor decoded"):
        learn_answers(own_kernel, {"nowhere": {"red": 1}}, {})
    (own_kernel / "support.parquet").unlink()
    with pytest.raises(InputError, match="keeps no features"):
        learn_answers(own_kernel, {"nowhere": {"red": 1}}, {})
    assert (own_kernel / MODEL).read_bytes() == before


def test_too_many_images_are_left_to_training(own_kernel, decoded, monkeypatch):
    monkeypatch.setattr(annotated, "MOST", 5)
    _, taught = learn_answers(own_kernel, {"cross 0": {"red": 1}}, decoded)
    assert taught.fixed == {"red": annotated.TOO_MANY}
