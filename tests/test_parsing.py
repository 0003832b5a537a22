"""JSON and YAML of anybody: whatever is wrong is one sentence, and nothing is lost in silence."""

import pytest

from imlgcn.config import parse_setting, train_settings
from imlgcn.errors import InputError
from imlgcn.parsing import ParseError, parse_json, parse_yaml

DEEP = "[" * 5_000 + "]" * 5_000
LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 10)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "Expecting"),
        (DEEP, "too deep"),
        ('{"a":' * 5_000, "too deep"),
        ("9" * 5_000, "thousands of digits"),
        (r'["\ud800"]', "surrogate"),
        (r'{"\uDC00": 1}', "surrogate"),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "two values named 'c'"),
    ],
)
def test_what_is_wrong_with_a_json_text_is_one_sentence(text, why):
    with pytest.raises(ParseError, match=why):
        parse_json(text)


def test_a_whole_surrogate_pair_is_a_character():
    assert parse_json(r'"\ud83d\ude00"') == "😀"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: [", "expected"),
        (DEEP, "too deep"),
        ("a: " + "9" * 5_000, "thousands of digits"),
        ("a: 2024-02-31", "day is out of range"),
        ("a: 2024-01-01T99:00:00Z", "hour"),
        ("a: 1\na: 2", "two values are named 'a'"),
        (LAUGHS, "without end"),
        ("&a [*a]", "without end"),
        ("!!python/object/apply:os.system [ls]", "constructor"),
        ("!!int x", "invalid literal"),
        ("{[]: 1}", "unhashable"),
        ("\x00", "special characters"),
    ],
)
def test_what_is_wrong_with_a_yaml_text_is_one_sentence(text, why):
    with pytest.raises(ParseError, match=why) as caught:
        parse_yaml(text)
    assert "\n" not in str(caught.value)


def test_an_alias_may_say_a_thing_again():
    assert parse_yaml("a: &a [1]\nb: *a") == {"a": [1], "b": [1]}


@pytest.mark.parametrize(
    "setting",
    [
        *("seed=1e22", "seed=10000000000000000000000", "seed=1.0e+22", "seed=-1"),
        *("head_training.epochs=1e400", "head_training.epochs=99999999999", "size=.inf"),
        *("head_training.learning_rate=.inf", "fine_tuning.ema_decay=.nan", "size=2024-13-99"),
        *("loss.options.gamma_neg=.nan", "fine_tuning.workers=100000000", "seed=" + "9" * 5_000),
    ],
)
def test_a_setting_out_of_all_bounds_is_refused_by_its_name(setting):
    with pytest.raises(InputError, match=setting.partition("=")[0].rpartition(".")[2]):
        train_settings(parse_setting(setting))
