"""The data that the API answers from: the rows of all targets and the latest commands of all scopes, in memory.

There is no consumer group and no routing: every process follows the complete compacted topics, so it answers for any
target.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from halt400.errors import InvalidRecord
from halt400.kafka.connection import KafkaConnection
from halt400.kafka.follower import Follower
from halt400.rates import RateClient, counts_at, end_of_window_ms
from halt400.redaction import RedactionRules, Redactor
from halt400.start_stop import StartStop
from halt400.windows import CLASSES, WINDOWS_S, Row, WindowCounts, decode_row, window_counts
from streams.api.events import EventHub
from streams.api.events.sources import EventSources
from streams.api.incidents import IncidentBook
from streams.api.log_records import LogRecords
from streams.api.models import ClassCounts, FollowerState, Target, TargetRates, Totals, Window
from streams.api.quarantines import Quarantines
from streams.api.recent_records import RecentRecords
from streams.api.series import Series, series_of
from streams.api.shown_texts import ShownTexts
from streams.detection import Policies
from streams.processing.policy_file import PolicyFile
from streams.savings import SavingsBook

__all__ = ["ReadModel"]

log = logging.getLogger(__name__)

OVERVIEW_KEPT_S = 1.0
_FIELD_OF_CLASS = {name if name == "other" else f"s{name}": name for name in CLASSES}

_TargetSnapshot = tuple[str, bytes, int]
"""A target, its encoded row and the number of quarantines in force on it."""


def wall_clock_ms() -> int:
    """Return the current time in milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


class ReadModel(StartStop):
    """Follows `rates`, `control`, `savings` and `alerts`, and the newest records of the logs; answers from memory.

    Parameters
    ----------
    kafka
        Where Kafka is.
    partitions
        Partitions of each topic.
    redactor
        Removes secrets from requests and responses; where None, one with a key of its own.
    policies
        The policies in force; where None, the built-in ones.
    listeners
        Most listeners of the event stream at once.
    clock_ms
        The current time, in milliseconds since the Unix epoch.
    """

    def __init__(
        self,
        kafka: KafkaConnection,
        *,
        partitions: int = 12,
        redactor: Redactor | None = None,
        policies: PolicyFile | None = None,
        listeners: int = 1500,
        clock_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self.kafka, self.partitions = kafka, partitions
        self.events = EventHub(self._status, most_listeners=listeners)
        sources = EventSources(self.events, lambda: self)
        self.rates = RateClient(kafka, clock_ms=clock_ms, on_changes=sources.rates)
        self.savings = SavingsBook(kafka, clock_ms=clock_ms)
        texts = ShownTexts(redactor or Redactor(RedactionRules(), secrets.token_bytes(32)))
        self.quarantines = Quarantines(
            kafka, clock_ms=clock_ms, savings=self.savings, texts=texts, on_new=sources.quarantines
        )
        self.incidents = IncidentBook(kafka, savings=self.savings, texts=texts, on_new=sources.incidents)
        self.logs = LogRecords(kafka, partitions, texts, sources.logs)
        self.clock_ms = clock_ms
        self._policies = policies
        self._overviews: dict[str, asyncio.Task[Overview]] = {}

    async def start(self) -> None:
        """Begin to follow, and return at once: connecting to the broker goes on in the background."""
        for follower in self.followers:
            await follower.start()
        self.logs.start()
        self.events.start()

    async def stop(self) -> None:
        """Stop following."""
        await self.events.stop()
        for overview in self._overviews.values():
            overview.cancel()
        self._overviews.clear()
        for follower in self.followers:
            await follower.stop()
        await self.logs.stop()

    async def wait_caught_up(self) -> None:
        """Wait until everything that was in the followed topics at the time of this call has been read."""
        for follower in self.followers:
            await follower.wait_caught_up()

    @property
    def followers(self) -> tuple[Follower, ...]:
        """The followers of `rates`, `control`, `savings` and `alerts`."""
        return self.rates.follower, self.quarantines.follower, self.savings.follower, self.incidents.follower

    @property
    def caught_up(self) -> bool:
        """Whether every topic has been read to its end once, so that a target that is not known does not exist."""
        return all(follower.caught_up and follower.failure is None for follower in self.followers)

    @property
    def healthy(self) -> bool:
        """Whether the answers are up to date."""
        return all(follower.healthy for follower in self.followers)

    @property
    def as_of(self) -> int:
        """The time up to which everything was read, of the topic where that is longest ago; milliseconds."""
        return self.as_of_these(self.followers)

    def as_of_these(self, readers: Iterable[Follower | RecentRecords[Any]]) -> int:
        """Return the same for some topics only."""
        ages = [reader.age_s for reader in readers]
        return self.clock_ms() - int(1000 * max((age for age in ages if age is not None), default=0.0))

    def _status(self) -> dict[str, Any]:
        return {"as_of": self.as_of, "stale": not self.healthy}

    def policies(self) -> tuple[Policies, str | None]:
        """Return the policies that this process reads, and the file; None for the built-in ones."""
        if self._policies is None:
            return Policies(), None
        self._policies.refresh()
        return self._policies.policies, self._policies.file

    def follower_states(self) -> list[FollowerState]:
        """Return how far each topic has been read."""
        return [
            FollowerState(
                topic=follower.topic,
                caught_up=follower.caught_up,
                healthy=follower.healthy,
                last_contact_age_s=None if (age := follower.last_contact_age_s) is None else round(age, 3),
                keys=len(follower.values),
            )
            for follower in self.followers
        ]

    def target_rates(self, target: str, windows: Iterable[str], at_ms: int | None) -> TargetRates | None:
        """Return one target's counts; None for an unknown target.

        Raises
        ------
        ValueError
            A window begins before the oldest counts that are kept.
        InvalidRecord
            The row was written by a later release.
        """
        row = self.rates.row(target)
        if row is None:
            return None
        end_ms = end_of_window_ms(row, self.clock_ms()) if at_ms is None else at_ms
        return TargetRates(
            target=target,
            as_of=self.as_of,
            stale=not self.healthy,
            windows={name: _window(name, counts_at(row, WINDOWS_S[name], end_ms)) for name in windows},
            totals=_totals(row),
            late=row.late,
            late_bad_requests=row.late_bad_requests,
            skewed=row.skewed,
            last_bad_request=row.bad_request_seen or None,
        )

    def series(self, target: str, span_s: int, step_s: int | None, at_ms: int | None) -> Series | None:
        """Return one target's counts over time; None for an unknown target.

        Raises
        ------
        InvalidRecord
            The row was written by a later release.
        """
        row = self.rates.row(target)
        if row is None:
            return None
        end_ms = end_of_window_ms(row, self.clock_ms()) if at_ms is None else at_ms
        return series_of(
            target, row, span_s=span_s, step_s=step_s, end_ms=end_ms, as_of=self.as_of, stale=not self.healthy
        )

    def targets(self, names: Iterable[str], window: str) -> list[Target]:
        """Return the list's entries of these targets."""
        return _entries(self._snapshot(names), window, self.clock_ms())

    async def all_targets(self, window: str) -> "Overview":
        """Return the list's entries of all targets; a thread makes them once for all concurrent requests.

        They are reused for a second, or longer where making them took long, so that they use at most a tenth of a core.
        """
        task = self._overviews.get(window)
        if task is None or (task.done() and not _is_current(task)):
            task = self._overviews[window] = asyncio.create_task(self._overview(window))
        return await asyncio.shield(task)

    async def _overview(self, window: str) -> "Overview":
        began, as_of = time.monotonic(), self.as_of
        targets = await asyncio.to_thread(_entries, self._snapshot(self.rates.targets()), window, self.clock_ms())
        ended = time.monotonic()
        return Overview(as_of, targets, ended + max(OVERVIEW_KEPT_S, 9 * (ended - began)))

    def _snapshot(self, names: Iterable[str]) -> list[_TargetSnapshot]:
        values, in_force_on = self.rates.follower.values, self.quarantines.in_force_on
        return [(name, value, in_force_on(name)) for name in names if (value := values.get(name.encode())) is not None]


@dataclass(frozen=True)
class Overview:
    """Entries of all targets as of a time (ms since the epoch), valid until a time of the monotonic clock."""

    as_of: int
    targets: list[Target]
    valid_until_s: float


def _is_current(task: "asyncio.Task[Overview]") -> bool:
    return not task.cancelled() and task.exception() is None and time.monotonic() < task.result().valid_until_s


def _entries(known: list[_TargetSnapshot], window: str, now_ms: int) -> list[Target]:
    found: list[Target] = []
    for name, value, quarantines in known:
        try:
            row = decode_row(value)
        except InvalidRecord as error:
            log.warning("The target %s is missing from the list: %s", name, error)
            continue
        counts = window_counts(row, WINDOWS_S[window], end_of_window_ms(row, now_ms))
        found.append(
            Target(
                target=name,
                quarantines=quarantines,
                window=_window(window, counts),
                totals=_totals(row),
                late=row.late,
                late_bad_requests=row.late_bad_requests,
                skewed=row.skewed,
                last_bad_request=row.bad_request_seen or None,
            )
        )
    return found


def _window(name: str, counts: WindowCounts) -> Window:
    return Window(
        window=name,  # type: ignore[arg-type]
        window_s=counts.window_s,
        start=counts.start,
        end=counts.end,
        responses=counts.responses,
        bad_requests=counts.bad_requests,
        bad_request_ratio=counts.bad_request_ratio,
        classes=_classes(counts.classes),
    )


def _totals(row: Row) -> Totals:
    totals = row.totals()
    return Totals(responses=totals.pop("responses"), classes=_classes(totals))


def _classes(counts: Mapping[str, int]) -> ClassCounts:
    return ClassCounts(**{field: counts[name] for field, name in _FIELD_OF_CLASS.items()})
