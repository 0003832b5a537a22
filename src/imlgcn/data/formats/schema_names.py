"""Names of class numbers as Hugging Face keeps them: in a table's schema, or in ``README.md``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from imlgcn.data.formats.label_numbers import is_number
from imlgcn.parsing import ParseError, parse_json, parse_yaml

FRONT_MATTER = re.compile(r"\A\ufeff?---\s*\n(.*?)\n---", re.DOTALL)


def names_in_schema(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """Return the names of each column of class numbers by the key ``huggingface`` of a schema."""
    try:
        content = parse_json((metadata or {}).get(b"huggingface", b"{}"))
        features = content.get("info", {}).get("features", {})
    except (ValueError, AttributeError):
        return {}
    return _of_features(features)


def names_in_readme(folders: Iterable[Path]) -> dict[str, list[str]]:
    """Return the names of each column by the first ``README.md`` that has a ``dataset_info``."""
    for folder in folders:
        file = folder / "README.md"
        if not file.is_file():
            continue
        found = FRONT_MATTER.search(file.read_text(encoding="utf-8", errors="replace"))
        try:
            content = parse_yaml(found[1]) if found else None
        except ParseError:
            continue
        info = content.get("dataset_info") if isinstance(content, dict) else None
        info = info[0] if isinstance(info, list) and info else info
        features = info.get("features") if isinstance(info, dict) else None
        if isinstance(features, list):
            return _of_features({x.get("name"): x for x in features if isinstance(x, dict)})
    return {}


def _of_features(features: Any) -> dict[str, list[str]]:
    if not isinstance(features, dict):
        return {}
    found = {str(name): _names(feature) for name, feature in features.items()}
    return {name: names for name, names in found.items() if names}


def _names(feature: Any) -> list[str]:
    """Return the names in a feature, or in what it is a list or a struct of."""
    if isinstance(feature, list):
        return next((found for item in feature if (found := _names(item))), [])
    if not isinstance(feature, dict):
        return []
    names: Any = feature.get("names")
    if isinstance(names, dict) and all(is_number(str(key)) for key in names):  # as YAML has them
        return [str(names[key]) for key in sorted(names, key=int)]
    if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
        return list(names)
    return next((found for inner in feature.values() if (found := _names(inner))), [])
