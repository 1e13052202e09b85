"""FrozenMap: an immutable, hashable mapping, so that a whole world can be a member of a set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class FrozenMap(Mapping[K, V], Generic[K, V]):
    """An immutable mapping; `put` and `drop` return a changed copy (cost: one copy of the dict)."""

    __slots__ = ("_dict", "_hash")

    def __init__(self, items: Mapping[K, V] | None = None) -> None:
        self._dict: dict[K, V] = dict(items) if items else {}
        self._hash: int | None = None

    def __getitem__(self, key: K) -> V:
        return self._dict[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._dict)

    def __len__(self) -> int:
        return len(self._dict)

    def __contains__(self, key: object) -> bool:
        return key in self._dict

    def find(self, key: K) -> V | None:
        """The value of `key`, or None: Mapping.get without its cost of an exception."""
        return self._dict.get(key)

    def put(self, key: K, value: V) -> FrozenMap[K, V]:
        """A copy in which `key` maps to `value`."""
        copy: FrozenMap[K, V] = FrozenMap(self._dict)
        copy._dict[key] = value
        return copy

    def drop(self, key: K) -> FrozenMap[K, V]:
        """A copy without `key`; itself if `key` is absent."""
        if key not in self._dict:
            return self
        copy: FrozenMap[K, V] = FrozenMap(self._dict)
        del copy._dict[key]
        return copy

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(frozenset(self._dict.items()))
        return self._hash

    def __eq__(self, other: object) -> bool:
        if isinstance(other, FrozenMap):
            return self._dict == other._dict
        return NotImplemented

    def __repr__(self) -> str:
        return f"FrozenMap({self._dict!r})"
