"""A coroutine that is begun without a task: most deliveries of a fold never wait, and a task costs as much as it."""

from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

__all__ = ["BegunCoroutine"]

T = TypeVar("T")


class BegunCoroutine(Generic[T]):
    """Runs a coroutine to its end or to its first wait; awaiting this goes on from there.

    Attributes
    ----------
    ended
        Whether it came to its end; then `result` is what it returned.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine
        self.ended, self.result = False, None
        try:
            self._waits_for = coroutine.send(None)
        except StopIteration as end:
            self.ended, self.result = True, end.value

    async def finish(self) -> T | None:
        """Go on to the end; what it returned."""
        return self.result if self.ended else await self

    def __await__(self) -> Generator[Any, Any, T]:
        waits_for = self._waits_for
        while True:
            try:
                try:
                    sent = yield waits_for
                except GeneratorExit:
                    self._coroutine.close()
                    raise
                except BaseException as error:
                    waits_for = self._coroutine.throw(error)
                else:
                    waits_for = self._coroutine.send(sent)
            except StopIteration as end:
                result: T = end.value
                return result
