"""A property that is computed at most once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

__all__ = ["once"]

T = TypeVar("T")


class once(Generic[T]):  # noqa: N801 - it stands where `property` stands
    """`functools.cached_property` without its lock, which costs more than what it guards here (gh-87634).

    Two threads may compute the same value; the one that is kept is as good as the other.

    Examples
    --------
    >>> class Answer:
    ...     @once
    ...     def seven(self) -> int:
    ...         print("computed")
    ...         return 7
    >>> answer = Answer()
    >>> answer.seven + answer.seven
    computed
    14
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    def __get__(self, instance: Any, owner: Any = None) -> T:
        value = instance.__dict__[self._name] = self._compute(instance)
        return value
