"""What is to be done in a child process right after `os.fork`, for objects that have a thread or a lock."""

import os
from collections.abc import Callable
from typing import Any
from weakref import WeakMethod

__all__ = ["in_child"]

_methods: list[WeakMethod[Callable[[], Any]]] = []


def in_child(method: Callable[[], Any]) -> None:
    """Call a bound method in every child process from now on, as long as its object lives."""
    if not _methods and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_forked)
    _methods[:] = [known for known in _methods if known() is not None]
    _methods.append(WeakMethod(method))


def _forked() -> None:
    for known in _methods:
        method = known()
        if method is not None:
            method()
