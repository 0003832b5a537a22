"""Settings in YAML: ``config.yaml`` in a tagger folder, and files that people write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imlgcn.errors import InputError
from imlgcn.parsing import ParseError, parse_yaml
from imlgcn.tagger.folder import CONFIG, ORIGIN


def read_settings(tagger: Path) -> dict[str, Any]:
    """Return the settings a tagger was trained with, without its data.

    Raises:
        InputError: the folder has none, or they cannot be read.
    """
    config = tagger / CONFIG
    if not config.is_file():
        raise InputError(f"{config} is missing: start= takes the folder that training wrote")
    return {key: value for key, value in read_config(config).items() if key not in ORIGIN}


# version 1 -> 2: the names of settings that also were, or looked like, names of flags
RENAMED = {
    "linear": "linear_training",
    "graph": "head_training",
    "tuning": "fine_tuning",
    "embedding": "label_embeddings",
}


def upgrade_settings(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of format 1 with the names of format 2; those of format 2 stay as they are.

    In format 1 ``linear``, ``graph``, ``tuning`` and ``embedding`` were groups of settings; now
    ``graph`` and ``embedding`` are words, for the head's graph and its nodes.

    >>> upgrade_settings({"graph": {"epochs": 5}, "head": "mlp"})
    {'head_training': {'epochs': 5}, 'head': 'mlp'}
    >>> upgrade_settings({"graph": "identity"})
    {'graph': 'identity'}
    """
    return {
        RENAMED[key] if key in RENAMED and isinstance(value, Mapping) else key: value
        for key, value in content.items()
    }


def read_config(path: Path) -> dict[str, Any]:
    """Return the content of a YAML file of settings.

    Raises:
        InputError: there is no such file, or it does not hold settings.
    """
    if not path.is_file():
        raise InputError(f"no file {path}; expected a YAML file of settings")
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"))
    except (ParseError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold settings as 'key: value' lines")
    return upgrade_settings({str(key): value for key, value in content.items()})
