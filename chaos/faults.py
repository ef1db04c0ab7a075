"""What each kind of fault does to the stage, and how it is undone."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable

from chaos.bursts import duplicates, poison, reordered
from chaos.history import TopicFault
from chaos.links import Link
from chaos.schedule import KINDS, Fault
from chaos.stage import CampaignStage
from chaos.topic_faults import add_partitions, cut_changelog, delete_topic
from chaos.wall_clock import why_no_wall_clock
from chaos.worker import WorkerProcess
from halt400.errors import LocalServiceError

__all__ = ["Faults"]

CLOCK_JUMP_S = 180
READY_S = 60.0
DELAY_S = 0.3
SLOW_PER_S = 100_000

_DISTURBS = frozenset(
    {
        "kill_worker",
        "kill_follow_up",
        "freeze_worker",
        "kill_broker",
        "freeze_broker",
        "kafka_away",
        "cut_worker",
        "cut_worker_from_broker",
        "nothing_up",
        "nothing_down",
        "isolate_broker",
        "disk_full",
        "kill_process",
        "delete_topic",
        "add_partitions",
        "cut_changelog",
    }
)
"""Kinds by which a worker may die, or lose its partitions, between sending a page and the row that says so."""
SETTLES_MS = 12_000
START_IS_CUT_SHORT_S = 2.0


class Faults:
    """Carries faults out; `running` has those that are not over.

    Attributes
    ----------
    spans
        (fault, when it began, when it was over), in milliseconds; a kind that is not possible here is not in it.
    skipped
        Kinds that are not possible on this machine, with the reason.
    """

    def __init__(self, stage: CampaignStage, seed: int, remember: Callable[[str, int], Awaitable[None]]) -> None:
        self._stage, self._seed, self._remember = stage, seed, remember
        self.spans: list[tuple[Fault, int, int]] = []
        self.skipped: dict[str, str] = {}
        self.disturbances_ms: list[int] = []
        self.topic_faults: list[TopicFault] = []
        self._changing_topics = asyncio.Lock()
        self._busy: dict[str, int] = {}

    async def run(self, fault: Fault) -> None:
        """Carry out one fault from its begin to its end."""
        action = self._action(fault)
        if action is None:
            return
        began = int(time.time() * 1000)
        await action
        ended = int(time.time() * 1000)
        self.spans.append((fault, began, ended))
        if fault.kind in _DISTURBS:
            # Every second of it, and the time until its consequences are over.
            self.disturbances_ms += range(began - 500, ended + SETTLES_MS, 500)

    def _action(self, fault: Fault) -> Awaitable[None] | None:
        stage, kind, which, for_s = self._stage, fault.kind, fault.which, fault.for_s
        number = which % len(stage.regular)
        node, scraper = which % 3, which % stage.scrapers
        worker, links = stage.regular[number], stage.links_of(f"worker{number}")
        assert stage.s3_link is not None
        reason = self._why_not(kind)
        if reason is not None:
            self.skipped[kind] = reason
            return None
        actions: dict[str, Callable[[], Awaitable[None]]] = {
            "kill_worker": lambda: self._kill_worker(worker, for_s),
            "kill_follow_up": lambda: _now(lambda: worker.kill_one("follow-up")),
            "kill_process": lambda: _now(lambda: worker.kill_one(f"detect-{1 + (which >> 8) % stage.processes}")),
            "freeze_worker": lambda: self._freeze(worker, for_s),
            "hiccup_worker": lambda: self._freeze(worker, for_s),
            "restart_worker": lambda: self._restart(worker, for_s),
            "rolling_restart": self._rolling_restart,
            "rolling_upgrade": self._rolling_upgrade,
            "rebalance_storm": lambda: self._storm(for_s),
            "kill_broker": lambda: self._kill_brokers([node], for_s),
            "freeze_broker": lambda: self._between(
                for_s, lambda: stage.brokers.freeze(node), lambda: stage.brokers.resume(node)
            ),
            "kafka_away": lambda: self._kill_brokers([0, 1, 2], for_s),
            "cut_worker": lambda: self._on_links(links, Link.cut, for_s),
            "cut_worker_from_broker": lambda: self._on_links([links[(which >> 4) % 3]], Link.cut, for_s),
            "nothing_up": lambda: self._on_links(links, lambda link: link.stopped.add("up"), for_s),
            "nothing_down": lambda: self._on_links(links, lambda link: link.stopped.add("down"), for_s),
            "delay_worker": lambda: self._on_links(links, lambda link: setattr(link, "delay_s", DELAY_S), for_s),
            "slow_worker": lambda: self._on_links(links, lambda link: setattr(link, "per_s", SLOW_PER_S), for_s),
            "isolate_broker": lambda: self._on_links([stage.links_of("brokers")[node]], Link.cut, for_s),
            "cut_scraper": lambda: self._on_links(stage.links_of(f"scraper{scraper}"), Link.cut, for_s),
            "kill_scraper": lambda: self._between(
                for_s, lambda: stage.kill_scraper(scraper), lambda: stage.start_scraper(scraper)
            ),
            "s3_away": lambda: self._on_links([stage.s3_link], Link.cut, for_s),
            "s3_silent": lambda: self._on_links([stage.s3_link], lambda link: link.stopped.add("down"), for_s),
            "pager_refuses": lambda: self._pager("refuses", for_s),
            "pager_silent": lambda: self._pager("is silent", for_s),
            "clock_ahead": lambda: self._clock(worker, CLOCK_JUMP_S, for_s),
            "clock_behind": lambda: self._clock(worker, -CLOCK_JUMP_S, for_s),
            "disk_full": lambda: self._fill_disk(node, for_s),
            "delete_topic": lambda: self._topics(delete_topic),
            "add_partitions": lambda: self._topics(add_partitions),
            "cut_changelog": lambda: self._cut(which),
            "poison": lambda: poison(stage),
            "duplicates": lambda: duplicates(stage, self._seed + which),
            "reordered": lambda: reordered(stage, self._seed + which),
        }
        assert actions.keys() == KINDS.keys()
        return actions[kind]()

    def _why_not(self, kind: str) -> str | None:
        if kind.startswith("clock_"):
            return why_no_wall_clock()
        if kind == "disk_full" and not self._stage.brokers.disks_can_fill:
            return "mounting small disks is not permitted here"
        if kind == "kill_process" and self._stage.processes == 1:
            return "each worker has one detect process: --processes 2"
        if kind == "rolling_upgrade" and self._stage.earlier is None:
            return "workers run this release from the start: make chaos-upgrade"
        return None

    async def _between(self, for_s: float, begin: Callable[[], object], end: Callable[[], object]) -> None:
        begin()
        try:
            await asyncio.sleep(for_s)
        finally:
            end()

    async def _kill_worker(self, worker: WorkerProcess, for_s: float) -> None:
        worker.signal(signal.SIGCONT)
        await asyncio.to_thread(worker.kill)
        await asyncio.sleep(for_s)
        worker.start()

    async def _freeze(self, worker: WorkerProcess, for_s: float) -> None:
        await self._between(for_s, lambda: worker.signal(signal.SIGSTOP), lambda: worker.signal(signal.SIGCONT))

    async def _restart(self, worker: WorkerProcess, for_s: float) -> None:
        worker.signal(signal.SIGCONT)
        await asyncio.to_thread(worker.stop)
        await asyncio.sleep(for_s)
        worker.start()

    async def _rolling_restart(self) -> None:
        for worker in self._stage.regular:
            await self._restart(worker, 0.0)
            seen, deadline = worker.log_text().count("Ready:"), time.monotonic() + READY_S
            while worker.log_text().count("Ready:") <= seen and time.monotonic() < deadline:  # noqa: ASYNC110
                await asyncio.sleep(0.2)

    async def _rolling_upgrade(self) -> None:
        for worker in self._stage.workers:
            worker.code = None
        await self._rolling_restart()

    async def _storm(self, for_s: float) -> None:
        for _ in range(2):
            self._stage.spare.start()
            await asyncio.sleep(for_s)
            await asyncio.to_thread(self._stage.spare.stop)

    async def _kill_brokers(self, nodes: list[int], for_s: float) -> None:
        brokers = self._stage.brokers
        for node in nodes:
            self._busy[f"broker{node}"] = self._busy.get(f"broker{node}", 0) + 1
        await asyncio.gather(*(asyncio.to_thread(brokers.nodes[node].kill) for node in nodes))
        # A start that is cut short by this ends within moments; the next one begins after it.
        await asyncio.sleep(max(for_s, START_IS_CUT_SHORT_S))
        await asyncio.gather(*(self._start_broker(node) for node in nodes))

    async def _start_broker(self, node: int) -> None:
        self._busy[f"broker{node}"] -= 1
        # Of two faults that hold one broker down the later one starts it.
        if not self._busy[f"broker{node}"]:
            try:
                await asyncio.to_thread(self._stage.brokers.nodes[node].start)
            except LocalServiceError:
                # A fault that killed it while it started will start it.
                if not self._busy[f"broker{node}"]:
                    raise

    async def _fill_disk(self, node: int, for_s: float) -> None:
        brokers = self._stage.brokers
        await self._between(for_s, lambda: brokers.fill_disk(node), lambda: brokers.free_disk(node))
        await self._kill_brokers([node], 0.0)

    async def _topics(self, change: Callable[[CampaignStage], Awaitable[TopicFault]]) -> None:
        async with self._changing_topics:
            self.topic_faults.append(await change(self._stage))

    async def _cut(self, which: int) -> None:
        async with self._changing_topics:
            await cut_changelog(self._stage, which, self._remember)

    async def _on_links(self, links: list[Link], begin: Callable[[Link], object], for_s: float) -> None:
        for link in links:
            begin(link)
        try:
            await asyncio.sleep(for_s)
        finally:
            for link in links:
                link.heal()

    async def _pager(self, mood: str, for_s: float) -> None:
        pager = self._stage.pager
        await self._between(for_s, lambda: setattr(pager, "mood", mood), lambda: setattr(pager, "mood", "answers"))

    async def _clock(self, worker: WorkerProcess, seconds: float, for_s: float) -> None:
        await self._between(for_s, lambda: worker.clock.shift(seconds), lambda: worker.clock.shift(0))


async def _now(action: Callable[[], object]) -> None:
    action()
