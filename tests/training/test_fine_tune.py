"""Fine-tuning: augmentation, weight average, frozen statistics, interruption without trace."""

from __future__ import annotations

import copy
import itertools
import multiprocessing
import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from imlgcn.config import SMALL_DATA, FineTuning, LossSettings
from imlgcn.data.transforms import load_input, normalize
from imlgcn.image_settings import ImageSettings
from imlgcn.stopping import SIGNALS, Stopped, listen
from imlgcn.training import fine_tune as fine_tuning
from imlgcn.training import tuning_state
from imlgcn.training.checkpoint import Checkpoints, part
from imlgcn.training.fine_tune import augmented_batches, fine_tune, validation_map
from thorough import thorough_but

SETTINGS = FineTuning(epochs=3, batch_size=4, learning_rate=3e-3, ema_decay=0.5, workers=0)
PLAIN = SETTINGS.model_copy(update={"rand_augment": 0, "cutout": 0.0, "flip": 0.0})


IMAGE = ImageSettings(size=16, fit="squash")


@contextmanager
def listening():
    """Handle signals as the command line does."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    listen()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def drop(module, inputs, output):
    """Dropout on what a backbone gives, in training."""
    return nn.functional.dropout(output, 0.3, module.training)


def kept(folder, stage):
    """Return the tensors and the state of the newest checkpoint."""
    return Checkpoints(folder, stage).newest()


class Stop(Exception):  # noqa: N818
    """What a test raises to interrupt a run."""


@pytest.fixture
def tune(colours, fabric, tmp_path):
    """Return a function that fine-tunes a classifier on the colours; it returns the log."""

    def run(
        classifier, settings=SETTINGS, *, checkpoint="c", seed=0, log=None, val=None, minutes=5
    ):
        rows = []
        fine_tune(
            classifier,
            colours.split("train"),
            val or colours.split("val"),
            settings=settings,
            loss=LossSettings(),
            seed=seed,
            fabric=fabric,
            checkpoints=Checkpoints(tmp_path, checkpoint),
            minutes=minutes,
            log=log or rows.append,
        )
        return rows

    return run


def batches(colours, fabric, seed=(0, 0), settings=SETTINGS):
    train = colours.split("train")
    return list(augmented_batches(train, IMAGE, settings, fabric, seed=seed))


def close(a, b) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


# augmentation


def test_an_epoch_s_batches_are_the_same_for_the_same_seed_and_epoch(colours, fabric):
    torch.manual_seed(1)
    one = batches(colours, fabric, (5, 2))
    torch.manual_seed(2)
    torch.rand(17)
    two = batches(colours, fabric, (5, 2))
    for a, b in zip(one, two, strict=True):
        assert close(a, b)


@pytest.mark.parametrize("other", [(5, 3), (6, 2), (2, 5)])
def test_another_epoch_or_seed_has_other_batches(colours, fabric, other):
    one, two = batches(colours, fabric, (5, 2)), batches(colours, fabric, other)
    assert not all(close(a, b) for a, b in zip(one, two, strict=True))


def test_worker_processes_draw_the_same_numbers_every_time(colours, fabric):
    settings = SETTINGS.model_copy(update={"workers": 2})
    one, two = (batches(colours, fabric, (5, 2), settings) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        assert close(a, b)
    views = torch.cat([images for images, _ in one])
    assert len({view.numpy().tobytes() for view in views}) == len(views), "each has its own chance"


def test_every_image_comes_once_an_epoch_with_its_own_targets_in_another_order(colours, fabric):
    train = colours.split("train")
    whole = {
        normalize(load_input(path, IMAGE), IMAGE).tobytes(): tuple(target)
        for path, target in zip(train.paths, train.targets, strict=True)
    }
    orders = []
    for epoch in range(2):
        found = [
            (image.contiguous().numpy().tobytes(), tuple(target.tolist()))
            for images, targets in batches(colours, fabric, (0, epoch), PLAIN)
            for image, target in zip(images, targets, strict=True)
        ]
        assert dict(found) == whole, "with all augmentation off an image is as in evaluation"
        assert len(found) == len(train)
        orders.append([key for key, _ in found])
    assert orders[0] != orders[1]


# what training does


def test_the_first_row_of_the_log_is_the_start_and_then_comes_each_epoch(tune, classifier):
    rows = tune(classifier)
    assert [row["epoch"] for row in rows] == [0, 1, 2, 3]
    assert rows[0]["loss"] is None
    assert all(row["loss"] > 0 for row in rows[1:])
    assert not classifier.training


def test_the_weights_best_on_validation_are_kept(tune, classifier, colours):
    rows = tune(classifier)
    best = max(row["val_mAP"] for row in rows)
    assert best > rows[0]["val_mAP"], "something is learnt"
    assert validation_map(classifier, colours.split("val"), IMAGE) == pytest.approx(best)


def test_fine_tuning_never_ends_below_its_start(tune, classifier):
    before = copy.deepcopy(classifier.state_dict())
    wild = SETTINGS.model_copy(update={"learning_rate": 1e-12, "weight_decay": 0.0})
    rows = tune(classifier, wild)  # nothing moves: the start is as good as what follows
    assert {round(row["val_mAP"], 9) for row in rows} == {round(rows[0]["val_mAP"], 9)}
    torch.testing.assert_close(classifier.state_dict(), before, rtol=0, atol=0)


def test_what_is_judged_and_kept_is_the_average_of_the_weights(tune, classifier, tmp_path):
    rows = tune(classifier)
    tensors, state = kept(tmp_path, "c")
    last, average = part("model", tensors), part("average", tensors)
    name = "backbone.model.conv.weight"
    assert not torch.equal(last[name], average[name])
    assert state["value"] == max(row["val_mAP"] for row in rows)
    if rows[-1]["val_mAP"] == state["value"] > max(row["val_mAP"] for row in rows[:-1]):
        assert torch.equal(part("best", tensors)[name], average[name])
    assert torch.equal(classifier.state_dict()[name], part("best", tensors)[name])


def test_without_averaging_the_average_is_the_last_weights(tune, classifier, tmp_path):
    tune(classifier, SETTINGS.model_copy(update={"ema_decay": 0.0}))
    tensors, _ = kept(tmp_path, "c")
    torch.testing.assert_close(part("average", tensors), part("model", tensors))


def test_the_average_follows_its_formula(tune, classifier, tmp_path, monkeypatch):
    """Recomputed with a loop: decay 1 - (steps)^(-2/3), at most the given one."""
    from imlgcn.training import fine_tune as module

    name, expected, steps = "head.linear.weight", None, itertools.count()
    parent = module._Averager.__call__

    def call(self, images):
        nonlocal expected
        now = self.classifier.state_dict()[name].clone()
        step = next(steps)  # the first step takes the weights as they are
        decay = min(1 - (1 + step) ** (-2 / 3), 0.9) if step else 0.0
        expected = now if expected is None else decay * expected + (1 - decay) * now
        parent(self, images)

    monkeypatch.setattr(module._Averager, "__call__", call)
    tune(classifier, SETTINGS.model_copy(update={"ema_decay": 0.9}))
    tensors, _ = kept(tmp_path, "c")
    torch.testing.assert_close(part("average", tensors)[name], expected, rtol=1e-4, atol=1e-7)


def test_every_epoch_draws_numbers_of_its_own(tune, classifier, monkeypatch):
    from imlgcn.training import fine_tune as module

    seeds, original = [], module.augmented_batches

    def record(*arguments, seed, **options):
        seeds.append(seed)
        return original(*arguments, seed=seed, **options)

    monkeypatch.setattr(module, "augmented_batches", record)
    tune(classifier, seed=7)
    assert seeds == [(7, 0), (7, 1), (7, 2)]


@pytest.mark.parametrize("frozen", [True, False, None])
def test_batch_norm_statistics_stand_still_on_small_data_or_when_asked(
    tune, classifier, tmp_path, frozen
):
    norm = classifier.backbone.model.norm
    mean, scale = norm.running_mean.clone(), norm.weight.detach().clone()
    tune(classifier, SETTINGS.model_copy(update={"freeze_batch_norm": frozen}))
    last = part("model", kept(tmp_path, "c")[0])
    stands = torch.equal(last["backbone.model.norm.running_mean"], mean)
    assert stands == (frozen is not False)
    assert not torch.equal(last["backbone.model.norm.weight"], scale), (
        "the scale learns in any case"
    )
    assert SMALL_DATA > 16


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tune, classifier, tmp_path):
    final = []
    for number, seed in enumerate((3, 3, 4)):
        model = copy.deepcopy(classifier)
        torch.manual_seed(number)  # what happened before does not matter
        tune(model, checkpoint=f"{number}", seed=seed)
        final.append(kept(tmp_path, f"{number}")[0])
    torch.testing.assert_close(final[0], final[1], rtol=0, atol=0)
    name = "model.backbone.model.conv.weight"
    assert not torch.equal(final[0][name], final[2][name])


def test_validation_images_that_are_all_unknown_leave_the_start(tune, classifier, colours):
    before = copy.deepcopy(classifier.state_dict())
    val = colours.split("val")
    rows = tune(classifier, val=replace(val, targets=np.full_like(val.targets, -1)))
    torch.testing.assert_close(classifier.state_dict(), before, rtol=0, atol=0)
    assert all(np.isnan(row["val_mAP"]) for row in rows)


# interruption


@pytest.mark.parametrize("epoch", [1, 2, 3])
@pytest.mark.parametrize("workers", thorough_but([0], [0, 2]))
def test_an_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(
    tune, classifier, tmp_path, epoch, workers
):
    settings = SETTINGS.model_copy(update={"workers": workers})
    start = copy.deepcopy(classifier)
    tune(classifier, settings)
    whole = kept(tmp_path, "c")

    def interrupt(row):
        if row["epoch"] == epoch:
            raise Stop

    broken = copy.deepcopy(start)
    with pytest.raises(Stop):
        tune(broken, settings, checkpoint="r", log=interrupt)
    again = copy.deepcopy(start)  # a new process begins with the start again
    torch.manual_seed(99)
    rows = tune(again, settings, checkpoint="r")
    resumed = kept(tmp_path, "r")
    torch.testing.assert_close(resumed[0], whole[0], rtol=0, atol=0)
    assert resumed[1] == whole[1], "epoch, value, schedule and rates"
    torch.testing.assert_close(again.state_dict(), classifier.state_dict(), rtol=0, atol=0)
    begun = [row["epoch"] for row in rows]
    assert begun == ([0, 1, 2, 3] if epoch == 1 else list(range(epoch, 4))), "no epoch twice"


@pytest.mark.parametrize(
    ("stop_at", "workers"),
    [(1, 0), (2, 2), (3, 0), (5, 0)],
)
def test_a_run_stopped_by_a_signal_after_any_step_ends_with_the_same_weights(
    tune, classifier, tmp_path, monkeypatch, stop_at, workers
):
    """Dropout and augmentation included: nothing depends on what was drawn before."""
    classifier.backbone.register_forward_hook(drop)
    settings = SETTINGS.model_copy(update={"workers": workers})
    start = copy.deepcopy(classifier)
    tune(classifier, settings)
    whole = kept(tmp_path, "c")

    steps = itertools.count(1)
    parent = tuning_state.Keeper.__call__

    def ask(self, images):
        if next(steps) == stop_at:
            for worker in multiprocessing.active_children():  # as if the whole group were signalled
                subprocess.run(["kill", "-TERM", str(worker.pid)], check=True)
            signal.raise_signal(signal.SIGTERM)  # os.kill may take its time
            time.sleep(0.3 if workers else 0)  # so long that the loader would see a worker end
        parent(self, images)

    monkeypatch.setattr(tuning_state.Keeper, "__call__", ask)
    with listening(), pytest.raises(Stopped) as stopped:
        tune(copy.deepcopy(start), settings, checkpoint="r")
    assert stopped.value.exit_code == 143
    torch.manual_seed(99)
    again = copy.deepcopy(start)
    tune(again, settings, checkpoint="r")
    resumed = kept(tmp_path, "r")
    torch.testing.assert_close(resumed[0], whole[0], rtol=0, atol=0)
    assert resumed[1] == whole[1]
    torch.testing.assert_close(again.state_dict(), classifier.state_dict(), rtol=0, atol=0)


def test_a_signal_during_validation_repeats_only_that(tune, classifier, tmp_path, monkeypatch):
    start = copy.deepcopy(classifier)
    tune(classifier)
    calls, original = itertools.count(), fine_tuning.validation_map

    def ask(*arguments):
        if next(calls) == 2:  # after the second epoch
            signal.raise_signal(signal.SIGINT)
        return original(*arguments)

    monkeypatch.setattr(fine_tuning, "validation_map", ask)
    with listening(), pytest.raises(Stopped):
        tune(copy.deepcopy(start), checkpoint="r")
    assert kept(tmp_path, "r")[1]["epoch"] == 1
    again = copy.deepcopy(start)
    rows = tune(again, checkpoint="r")
    assert [row["epoch"] for row in rows] == [2, 3]
    torch.testing.assert_close(again.state_dict(), classifier.state_dict(), rtol=0, atol=0)


def test_the_state_is_saved_within_an_epoch_every_so_many_minutes(
    tune, classifier, tmp_path, monkeypatch
):
    saved = []
    monkeypatch.setattr(
        Checkpoints, "save", lambda self, tensors, state, *, step: saved.append(step)
    )
    tune(classifier, minutes=0)
    assert saved == sorted(saved)
    assert set(saved) == set(range(1, max(saved) + 1)), "after every step"
    saved.clear()
    tune(classifier, minutes=60)
    assert len(saved) == SETTINGS.epochs, "only after the epochs"


def test_a_finished_stage_is_not_trained_again(tune, classifier):
    start = copy.deepcopy(classifier)
    tune(classifier)
    rows = tune(start)
    assert rows == []
    torch.testing.assert_close(start.state_dict(), classifier.state_dict(), rtol=0, atol=0)
