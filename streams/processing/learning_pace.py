"""How many successes of a partition are decoded whole for its targets' profiles: all in light traffic, else a sample.

Decoding and learning one takes a quarter of a millisecond, ten times what counting it takes.
"""

__all__ = ["LearningPace"]

MOST_PER_FOLD = 2
MOST_PER_S = 10.0
MOST_AT_ONCE = 60.0


class LearningPace:
    """The allowance of one partition: so many a second, what was not used in the last seconds on top, few of one fold.

    Examples
    --------
    >>> pace = LearningPace()
    >>> pace.allowance(0), pace.allowance(0)
    (2, 2)
    >>> pace.spend(60)
    >>> pace.allowance(0), pace.allowance(100), pace.allowance(10_000)
    (0, 1, 2)
    """

    __slots__ = ("_at_ms", "_left")

    def __init__(self) -> None:
        self._left, self._at_ms = MOST_AT_ONCE, 0

    def allowance(self, now_ms: int) -> int:
        """How many successes of a fold that is read at `now_ms` may be learned."""
        passed_ms = now_ms - self._at_ms
        if passed_ms > 0:
            self._left = min(MOST_AT_ONCE, self._left + passed_ms * MOST_PER_S / 1000)
        self._at_ms = now_ms
        return min(MOST_PER_FOLD, int(self._left))

    def spend(self, learned: int) -> None:
        """Note how many were learned."""
        self._left -= learned
