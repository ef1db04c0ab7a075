"""A property whose value is computed once and kept on the instance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

__all__ = ["cached_attribute"]

T = TypeVar("T")


class cached_attribute(Generic[T]):  # noqa: N801 - used like `property`
    """`functools.cached_property` without its lock, which costs more than the computation here (gh-87634).

    Two threads may compute the value twice; both results are the same.

    Examples
    --------
    >>> class Answer:
    ...     @cached_attribute
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
