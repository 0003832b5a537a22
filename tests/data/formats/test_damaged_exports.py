"""Exports of annotation tools that are cut off, or that hold something else in one place."""

import json
import random
from contextlib import suppress

import pytest

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError
from tool_samples import SAMPLES

OTHERS = (None, 5, -1, "", "x", [], {}, [None], {"a": 1}, True, 1.5, [[]])
WORDS = ("", "x", "-1", "9", "<", '"', "[", "{")
TEXTS = (".csv", ".json", ".jsonl", ".lst", ".manifest", ".txt", ".xml", ".yaml")
ROUNDS = 12


def replaced(value, rng):
    """Return a JSON value with something else in one place."""
    if value and isinstance(value, (dict, list)) and rng.random() < 0.9:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        changed, key = value.copy(), rng.choice(keys)
        if rng.random() < 0.2:
            del changed[key]
        else:
            changed[key] = replaced(value[key], rng)
        return changed
    return rng.choice(OTHERS)


def damaged(text, rng):
    if rng.random() < 0.2:
        return text[: rng.randrange(len(text))]
    try:
        return json.dumps(replaced(json.loads(text), rng))
    except json.JSONDecodeError:
        lines = text.splitlines()
        number = rng.randrange(len(lines))
        words = lines[number].split(" ")
        words[rng.randrange(len(words))] = rng.choice(WORDS)
        lines[number] = " ".join(words)
        return "\n".join(lines)


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample.have for sample in SAMPLES])
def test_a_damaged_export_is_read_or_refused_with_words(sample, tmp_path):
    rng = random.Random(sample.have)
    sample.write(tmp_path)
    texts = [f for f in sorted(tmp_path.rglob("*")) if f.suffix in TEXTS]
    for _ in range(ROUNDS):
        file = rng.choice(texts)
        text = file.read_text(encoding="utf-8")
        file.write_text(damaged(text, rng), encoding="utf-8")
        for reader in (None, sample.reader):
            with suppress(InputError):
                assert load_dataset(tmp_path, reader=reader).names
        file.write_text(text, encoding="utf-8")
