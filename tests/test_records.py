"""Records refuse what pydantic refuses, convert less, and say what is wrong in one sentence."""

from __future__ import annotations

import copy
import json
import pickle
import random
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from imlgcn.errors import InputError
from imlgcn.records import Above, Length, Record, Within


class Point(Record):
    x: float
    place: Literal["left", "right"] = "left"


class Thing(Record):
    size: Annotated[int, Within(1, 9)] = 3
    share: Annotated[float, Above(0)] = 0.5
    loss: Annotated[float, Within(0)] | None = None
    names: list[str] = []
    numbers: Annotated[list[float], Length(2)] = [1.0, 2.0]
    mean: tuple[float, float] = (0.0, 1.0)
    notes: dict[str, Any] = {}
    is_old: bool = False
    point: Point | None = None
    groups: list[list[int]] = []


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PointModel(_Model):
    x: float
    place: Literal["left", "right"] = "left"


class ThingModel(_Model):
    size: int = Field(3, ge=1, le=9)
    share: float = Field(0.5, gt=0)
    loss: float | None = Field(None, ge=0)
    names: list[str] = []
    numbers: list[float] = Field([1.0, 2.0], min_length=2, max_length=2)
    mean: tuple[float, float] = (0.0, 1.0)
    notes: dict[str, Any] = {}
    is_old: bool = False
    point: PointModel | None = None
    groups: list[list[int]] = []


VALUES = [
    *(None, True, False, 0, 1, 9, 10, -1, 5.0, 0.5, -0.5, 1e300, 10**400, 2.0**60),
    *(float("nan"), float("inf"), "", "5", "left", "true", [], [1], [1.5], [1, 2], [0.5, True]),
    *(["a"], [["a"]], [[1], [2, 3]], [[1.5]], [None], [1, 2, 3], [float("nan"), 1], {}, {"x": 1}),
    *({"x": "1"}, {"x": 1, "place": "up"}, {"x": 0.5, "place": "right"}, {"y": 1}),
    *({"a": {"b": [1]}}, {"x": None}),
]


def converts(content: object) -> bool:
    """Whether a value is of another kind than JSON would have it: text or a truth for a number."""
    if isinstance(content, dict):
        return any(converts(each) for key, each in content.items() if key != "notes")
    if isinstance(content, list):
        return any(map(converts, content))
    return isinstance(content, bool | str) or content in (0, 1)


def outcome(kind, content):
    try:
        return kind.model_validate(content).model_dump(mode="json")
    except (InputError, ValidationError) as error:
        return error


def test_a_record_takes_what_pydantic_takes_without_conversions_and_nothing_else():
    generator = random.Random(0)
    taken = 0
    for _ in range(5_000):
        names = generator.sample([*Thing.__annotations__, "other"], generator.randint(1, 2))
        content = {name: generator.choice(VALUES) for name in names}
        own, other = outcome(Thing, content), outcome(ThingModel, content)
        if isinstance(own, InputError):
            assert isinstance(other, ValidationError) or converts(content), content
            assert "\n" not in str(own)
            assert len(str(own)) < 200
        else:
            taken += 1
            assert own == other, content
            assert json.loads(Thing.model_validate(content).model_dump_json()) == own
    assert taken > 200


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"size": 10}, "size: expected 1 to 9; got 10"),
        ({"size": True}, "size: expected a whole number; got True"),
        ({"size": "5"}, "size: expected a whole number; got '5'"),
        ({"size": 1.5}, "size: expected a whole number; got 1.5"),
        ({"share": 0}, "share: expected more than 0; got 0.0"),
        ({"share": float("nan")}, "share: expected a finite number; got nan"),
        ({"loss": -1}, "loss: expected at least 0; got -1.0"),
        ({"numbers": [1]}, r"numbers: expected 2 values; got \[1.0\]"),
        ({"numbers": [1, 10**400]}, "numbers.1: expected a finite number; got 1000"),
        ({"numbers": [1.0, float("inf")]}, "numbers.1: expected a finite number; got inf"),
        ({"mean": [1]}, r"mean: expected 2 values; got \[1\]"),
        ({"names": "a"}, "names: expected a list; got 'a'"),
        ({"names": ["a", 1]}, "names.1: expected a text; got 1"),
        ({"groups": [[1], [2, "3"]]}, r"groups.1.1: expected a whole number; got '3'"),
        ({"notes": []}, r"notes: expected an object; got \[\]"),
        ({"point": {}}, "point.x: is missing"),
        ({"point": {"x": 1, "place": "up"}}, "point.place: expected 'left' or 'right'; got 'up'"),
        ({"point": {"x": 1, "plaice": "up"}}, "point.unknown setting 'plaice'; did you mean"),
        ({"sizes": 1}, "unknown setting 'sizes'; did you mean 'size'"),
        ({"self": 1}, "unknown setting 'self'"),
        ([], r"expected an object; got \[\]"),
    ],
)
def test_the_message_says_where_and_what_was_expected(content, message):
    with pytest.raises(InputError, match=f"^{message}"):
        Thing.model_validate(content)


def test_a_record_is_frozen_and_equal_by_its_values():
    thing = Thing(size=4, point={"x": 1})
    assert thing == Thing(size=4, point=Point(x=1.0)) != Thing(size=5)
    assert repr(Point(x=1)) == "Point(x=1.0, place='left')"
    assert hash(Point(x=1)) == hash(Point(x=1.0)) != hash(Point(x=2))
    with pytest.raises(AttributeError, match="frozen"):
        thing.size = 5
    assert pickle.loads(pickle.dumps(thing)) == copy.deepcopy(thing) == thing


def test_a_changed_copy_is_checked_as_well():
    thing = Thing(size=4)
    assert thing.model_copy(update={"size": 5}) == Thing(size=5)
    assert thing.size == 4
    with pytest.raises(InputError, match="size: expected 1 to 9; got 0"):
        thing.model_copy(update={"size": 0})


def test_lists_that_are_defaults_are_of_each_record_alone():
    first, second = Thing(), Thing()
    first.names.append("a")
    first.notes["a"] = 1
    first.numbers.append(3.0)
    assert second.names == Thing.names == []
    assert second.numbers == Thing.numbers == [1.0, 2.0]
    assert second.notes == {}


def test_a_text_round_trips_and_has_null_for_what_json_has_no_number_for():
    thing = Thing(names=["é"], notes={"mAP": float("nan"), "all": [float("inf"), 1.5]})
    text = thing.model_dump_json(indent=1)
    assert '"é"' in text
    assert json.loads(text)["notes"] == {"mAP": None, "all": [None, 1.5]}
    assert thing.model_dump()["mean"] == (0.0, 1.0)
    assert thing.model_dump(mode="json", include={"size", "mean"}) == {"size": 3, "mean": [0, 1]}
    assert "size" not in thing.model_dump(exclude={"size"})
    plain = Thing(size=2, point={"x": 0.1})
    assert Thing.model_validate_json(plain.model_dump_json()) == plain
    with pytest.raises(InputError):
        Thing.model_validate_json("{")
