"""What a crawl does when a quarantine takes all that it asks for: close, pause until it is released, or go on."""

import logging
from typing import TYPE_CHECKING, Any

from scrapy.exceptions import CloseSpider

from halt400.guard import SyncGuard
from halt400.integrations.scrapy_settings import OnQuarantine
from halt400.records import Command

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

__all__ = ["Halting"]

log = logging.getLogger(__name__)

CLOSE_AFTER = 100
"""Requests refused in a row after which a crawl whose every target is halted is closed."""
MOST_TARGETS = 10_000
"""Targets by which a crawl is found to be halted: the first so many of a very broad one."""
RETRY_PAUSE_S = 0.25
"""How long a paused crawl waits before it asks again, while one of its requests may be the probe."""
EXPIRY_CHECK_S = 1.0


class Halting:
    """Decide from the gate's answers, in the reactor's thread.

    The crawl is halted as a whole when the gate refuses every target that it has asked for. It is closed when, besides,
    `CLOSE_AFTER` requests in a row were refused, or it has run out of them: a broad crawl goes on without one target.
    """

    def __init__(self, crawler: "Crawler", guard: SyncGuard, on_quarantine: OnQuarantine) -> None:
        self._crawler, self._guard, self._on_quarantine = crawler, guard, on_quarantine
        self._closing = self._paused = False
        self._targets: set[str] = set()
        self._refused_in_a_row = 0

    @property
    def keeps_requests(self) -> bool:
        """Whether a refused request goes back to the scheduler instead of being dropped."""
        return self._on_quarantine == "pause" and not self._closing

    @property
    def is_halted(self) -> bool:
        """Whether nothing that the crawl asks for may be sent."""
        guard = self._guard
        return self._refused_in_a_row > 0 and not any(
            guard.gate.is_open(target, guard.job_id) for target in self._targets
        )

    def admitted(self, target: str) -> None:
        """Take note that a request is sent."""
        self._note(target)
        self._refused_in_a_row = 0

    def refused(self, command: Command) -> None:
        """Take note that a request is refused, and close or pause the crawl where that makes it halted."""
        self._note(command.scope.target)
        self._refused_in_a_row += 1
        if self._closing or not self.is_halted:
            return
        if self._on_quarantine == "pause":
            self._pause(command)
        elif self._on_quarantine == "close" and self._refused_in_a_row >= CLOSE_AFTER:
            self._close(command)

    def _note(self, target: str) -> None:
        if len(self._targets) < MOST_TARGETS:
            self._targets.add(target)

    def command_came(self, command: Command) -> None:
        """Let a paused crawl go on when a command ends or tries its quarantine."""
        if (
            self._paused
            and command.scope.target in self._targets
            and (command.state == "probing" or not self.is_halted)
        ):
            self._resume()

    def idle(self) -> None:
        """Close a crawl with reason ``halt400`` that ran out of requests because all were refused."""
        if self._on_quarantine == "close" and not self._closing and self.is_halted:
            self._closing = True
            raise CloseSpider("halt400")

    def _close(self, command: Command) -> None:
        self._closing = True
        engine, spider = self._crawler.engine, self._crawler.spider
        assert engine is not None
        slot: Any = getattr(engine, "_slot", None) or getattr(engine, "slot", None)
        left = len(slot.scheduler) if slot is not None and hasattr(slot.scheduler, "__len__") else 0
        if left:
            self._guard.count_not_sent(command, left)
            if self._crawler.stats is not None:
                self._crawler.stats.inc_value("halt400/saved", left)
        log.error(
            "%s is %s: %s The spider is closed, %d requests are not sent. Mend the request, then: halt400 release %s",
            command.scope.id,
            command.state,
            command.reason,
            left,
            command.scope.id,
        )
        if hasattr(engine, "close_spider_async"):
            from scrapy.utils.defer import deferred_from_coro

            deferred_from_coro(engine.close_spider_async(reason="halt400"))
        else:
            assert spider is not None
            engine.close_spider(spider, "halt400")

    def _pause(self, command: Command) -> None:
        from twisted.internet import reactor

        engine = self._crawler.engine
        assert engine is not None
        if not self._paused:
            self._paused = True
            engine.pause()
            log.warning(
                "%s is %s: %s The crawl pauses until it is released.", command.scope.id, command.state, command.reason
            )
        # A probe is claimed by asking for a request, so the crawl asks now and then while one may be under way; and a
        # quarantine whose worker is gone ends by its expiry alone, of which no command tells.
        wait_s = RETRY_PAUSE_S if command.state == "probing" else EXPIRY_CHECK_S
        reactor.callLater(wait_s, self._ask_again, command)  # type: ignore[arg-type]

    def _ask_again(self, command: Command) -> None:
        if not self._paused or self._closing:
            return
        if command.state == "probing" or not self.is_halted:
            self._resume()
        else:
            self._pause(command)

    def _resume(self) -> None:
        self._paused = False
        engine = self._crawler.engine
        if engine is not None:
            engine.unpause()
