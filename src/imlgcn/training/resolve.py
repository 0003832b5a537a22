"""The settings of a run, resolved once: one merge of all their sources.

Later ones win: preset < the head's own training values < the device's defaults < the run it starts
from < the settings file < the arguments. The command line and Python pass the
same names through here, so the same names give the same run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imlgcn.arguments import own_names
from imlgcn.config import (
    AUTO,
    CONTROL,
    SMALL_DATA,
    TrainSettings,
    merge_settings,
    parse_setting,
    train_settings,
)
from imlgcn.data.dataset import Dataset
from imlgcn.data.source import FLAGS as READING_FLAGS
from imlgcn.data.source import HOW, IN_PYTHON, DataSource
from imlgcn.engines.device import check_device, choose_device
from imlgcn.errors import InputError, unknown_name
from imlgcn.numbers import plural
from imlgcn.progress import Progress
from imlgcn.tagger.config_file import read_config, read_settings, upgrade_settings
from imlgcn.tagger.info import read_info

# short names of settings, the same as a flag, a Python argument and a key of the settings file
SHORT = {
    "graph": ("head_options", "graph"),
    "embedding": ("head_options", "embedding"),
    "words": ("label_embeddings", "words"),
}
# flags that are called otherwise than their setting
FLAGS = {
    "freeze": "not fine_tune",
    "no_refit": "not refit",
    "no_support": "not keep_support",
}
STAGES = ("linear_training", "head_training", "fine_tuning")  # what `epochs` sets at once
OF_A_HEAD = ("head_options", "head_training")  # not taken over from another head
BESIDES = ("preset", "device", *HOW)  # other arguments of a run
ONLY_IN_FILES = (
    "data",
    IN_PYTHON,
    "from",
    "label_table",
    "label_parents",
)  # arguments of their own for a caller


@dataclass(frozen=True)
class Plan:
    """What a run is made from; :meth:`settings` completes it once the data is known.

    Attributes:
        data: what to train on.
        start: the tagger to start from, or None.
        preset: its name; None lets the number of training images choose.
        device: as for :func:`imlgcn.engines.device.choose_device`.
        layers: settings, later ones win.
        label_table: the file of the label table, or None.
    """

    data: DataSource
    start: Path | None
    preset: str | None
    device: str
    layers: tuple[Mapping[str, Any], ...]
    label_table: Path | None = None

    def settings(self, preset: str | None = None) -> TrainSettings:
        """Return the complete settings with this plan's preset, or else with ``preset``.

        Raises:
            InputError: an unknown setting, or a value out of range; the message names the key.
        """
        from imlgcn.models import HEADS

        preset = self.preset or preset or "small"
        settings = train_settings(*self.layers, preset=preset)
        if settings.head == AUTO:
            if settings.head_options:
                raise _refuse_options(settings.head_options, preset)
            return settings
        if settings.head not in HEADS:
            raise unknown_name("head", settings.head, [AUTO, *HEADS])
        return self._settings_of(settings.head, preset, {})

    def heads(self, settings: TrainSettings) -> dict[str, TrainSettings]:
        """Return each head that a run with ``settings`` trains, with its own; the control first."""
        from imlgcn.models import CANDIDATES, head_options

        preset = settings.preset
        if settings.head == AUTO:
            names = [CONTROL, *(name for name in CANDIDATES if name != CONTROL)]
            return {name: self._settings_of(name, preset, {"head": name}) for name in names}
        if settings.head == CONTROL:
            return {CONTROL: settings}
        pooling = settings.head_options.get("pooling") or "avg"
        options = head_options(CONTROL, preset, pooling=pooling)
        control = settings.model_copy(update={"head": CONTROL, "head_options": options})
        return {CONTROL: control, settings.head: settings}

    def _settings_of(self, head: str, preset: str, last: Mapping[str, Any]) -> TrainSettings:
        from imlgcn.models import HEADS, head_options

        own = {"head_training": HEADS[head].TRAINING.get(preset, {})}
        settings = train_settings(own, *self.layers, last, preset=preset)
        complete = head_options(head, preset, **settings.head_options)
        return settings.model_copy(update={"head_options": complete})

    def choose_preset(self, dataset: Dataset, progress: Progress) -> str:
        """Return the preset, chosen by the number of training images where none was given."""
        if self.preset is not None:
            return self.preset
        images = dataset.splits.get("train", len(dataset))
        chosen = "small" if images < SMALL_DATA else "paper"
        progress.say(f"preset {chosen!r} for {plural(images, 'training image')} (preset= chooses)")
        return chosen

    def to_config(self) -> dict[str, Any]:
        """Return the keys of ``config.yaml`` that say what the run was trained on."""
        start = {} if self.start is None else {"from": str(self.start)}
        table = {} if self.label_table is None else {"label_table": str(self.label_table)}
        return self.data.to_config() | start | table


def plan_run(
    data: Any,
    arguments: Mapping[str, Any],
    *,
    config: str | Path | None = None,
    start: str | Path | None = None,
    label_table: str | Path | None = None,
) -> Plan:
    """Return the plan of a run from its arguments; only small files are read.

    Args:
        data: what to train on, as :meth:`imlgcn.data.source.DataSource.of` takes it.
        arguments: settings by name, short names, ``preset``, ``device``, ``reader``, ``variant``,
            ``delimiter``.
        config: a YAML file with the same keys.
        start: a tagger folder to start from.
        label_table: the file of a label table.

    Raises:
        InputError: an unknown name, a file that cannot be read, or a ``DataSource`` beside what
            says how to read it.
    """
    given = spell_out(arguments)
    content = {} if config is None else read_config(Path(config))
    start = start or content.pop("from", None)
    label_table = label_table or content.pop("label_table", None)
    file = spell_out({key: value for key, value in content.items() if key not in ONLY_IN_FILES})
    both = {**file, **given}
    how = given if isinstance(data, DataSource) else both
    device = str(both.get("device") or "auto")
    check_device(device)
    old = {} if start is None else _old_settings(Path(start))
    _check_backbone(old, both)
    head = both.get("head", old.get("head"))
    layers = [_device_defaults(device), *(_for_head(layer, head) for layer in (old, file)), given]
    return Plan(
        data=DataSource.of(
            data, **{key: how[key] for key in HOW if how.get(key) not in (None, (), [])}
        ),
        start=None if start is None else Path(start),
        preset=both.get("preset"),
        device=device,
        label_table=None if label_table is None else Path(label_table),
        layers=tuple(
            {key: value for key, value in layer.items() if key not in BESIDES} for layer in layers
        ),
    )


def spell_out(layer: Mapping[str, Any]) -> dict[str, Any]:
    """Return a layer of version-2 names with short names and flags spelled out; long names win.

    >>> spell_out({"graph": "identity", "epochs": 3})["head_training"]
    {'epochs': 3}

    Raises:
        InputError: a name that is not a setting.
    """
    layer = own_names(upgrade_settings(layer), FLAGS | READING_FLAGS)
    layer = merge_settings(layer, *_single_settings(layer.pop("set", None)))
    short: dict[str, Any] = {}
    if (epochs := layer.pop("epochs", None)) is not None:
        short = {stage: {"epochs": epochs} for stage in STAGES}
    for key, (parent, name) in SHORT.items():
        if (value := layer.pop(key, None)) is not None:
            short = merge_settings(short, {parent: {name: value}})
    return _known(merge_settings(short, layer))


def _single_settings(given: Mapping[str, Any] | str | Sequence[str] | None) -> list[dict[str, Any]]:
    """Return what ``--set`` takes, or a dictionary, as layers; each has to hold settings."""
    texts = [given] if isinstance(given, str) else given or []
    found = [dict(texts)] if isinstance(texts, Mapping) else [parse_setting(x) for x in texts]
    for setting in found:
        spell_out(setting)  # refuses a name that is not a setting, such as one of an argument
    return found


def _old_settings(start: Path) -> dict[str, Any]:
    """Return the settings of an earlier run; the head that it chose is its head."""
    old = read_settings(start)
    return old | {"head": read_info(start).head.name} if old.get("head", AUTO) == AUTO else old


def _for_head(layer: Mapping[str, Any], head: str | None) -> Mapping[str, Any]:
    if layer.get("head", head) == head:
        return layer
    return {key: value for key, value in layer.items() if key not in OF_A_HEAD}


def _refuse_options(given: Mapping[str, Any], preset: str) -> InputError:
    from imlgcn.models import HEADS, head_options

    own = [name for name in HEADS if given.keys() <= head_options(name, preset).keys()]
    short = [key for key in given if SHORT.get(key) == ("head_options", key)]
    names = [f"{key}=" if key in short else f"head_options.{key}" for key in given]
    return InputError(
        f"{' and '.join(names)}: for one head, and head='auto' chooses among several: name the "
        f"head ({', '.join(own) or 'none has all of these'})"
    )


def _known(layer: dict[str, Any]) -> dict[str, Any]:
    known = {*TrainSettings.model_fields, *SHORT, "epochs", *BESIDES}
    for key in layer:
        if key not in known:
            raise unknown_name("setting", key, known)
    return layer


def _check_backbone(old: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    for key in {"backbone", "weights"} & old.keys() & given.keys():
        if given[key] != old[key]:
            raise InputError(
                f"start= continues with the tagger's own backbone, {old['backbone']}: leave out "
                f"{key}="
            )


def _device_defaults(device: str) -> dict[str, Any]:
    """Fine-tuning takes minutes on a GPU, and hours on a CPU."""
    return {"fine_tune": True} if choose_device(device).type == "cuda" else {}
