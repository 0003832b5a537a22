"""A field of a dataclass that may be stored sparse, and is read as a dense array."""

from __future__ import annotations

from typing import Any, Generic, Protocol, TypeVar

import numpy as np

Dense = TypeVar("Dense")
Stored = TypeVar("Stored")


class Sparse(Protocol):
    """What can be made dense."""

    def dense(self) -> Any:
        """Return the dense array."""


class DenseOnDemand(Generic[Dense, Stored]):
    """A field that takes a dense or a sparse array, and gives a dense one.

    So everything written for the dense array works with a sparse one as well, as long as the dense
    one fits: it is made anew by each access, and not kept. What is large takes :func:`stored`.

    Args:
        optional: the field is None where it is not given.
    """

    def __init__(self, *, optional: bool = False) -> None:
        self.optional = optional

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: object, owner: type | None = None) -> Dense:
        if instance is None:
            if self.optional:
                return None  # type: ignore[return-value]  # the default, as dataclass reads it
            raise AttributeError(self.name)
        found = stored(instance, self.name)
        return found if found is None or isinstance(found, np.ndarray) else found.dense()  # type: ignore[no-any-return]

    def __set__(self, instance: object, value: Stored) -> None:
        instance.__dict__[_key(self.name)] = value


def stored(instance: object, name: str) -> Any:
    """Return what a :class:`DenseOnDemand` of ``instance`` was given: dense, sparse or None."""
    return instance.__dict__[_key(name)]


def _key(name: str) -> str:
    return f"{name} as stored"
