"""The faults of a campaign: drawn from a seed, and shrunk to few that still fail. Pure."""

import random
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

__all__ = ["KINDS", "SLOW", "TELLING", "Fault", "draw", "read_schedule", "read_seed", "shrink", "write_schedule"]


class FaultKind(NamedTuple):
    """A kind of fault: how long it lasts, and of how many things (workers, brokers, scrapers) one is chosen."""

    shortest_s: float
    longest_s: float
    of: str
    title: str


SESSION_S = 6.0
"""Session timeout of the workers."""

KINDS: dict[str, FaultKind] = {
    "kill_worker": FaultKind(0.5, 8.0, "worker", "both processes of a worker get SIGKILL; started again afterwards"),
    "kill_follow_up": FaultKind(
        0.0, 0.0, "worker", "the follow-up process gets SIGKILL; the worker ends, and is started again"
    ),
    "kill_process": FaultKind(
        0.0, 0.0, "worker", "a detect process of a worker with several gets SIGKILL; it is started again"
    ),
    "freeze_worker": FaultKind(SESSION_S + 2, SESSION_S + 6, "worker", "SIGSTOP past the session timeout, SIGCONT"),
    "hiccup_worker": FaultKind(1.0, SESSION_S - 2, "worker", "SIGSTOP for less than the session, SIGCONT"),
    "restart_worker": FaultKind(0.0, 1.0, "worker", "SIGTERM, and start again"),
    "rolling_restart": FaultKind(0.0, 0.0, "all", "every worker in turn: SIGTERM, start again, until it is ready"),
    "rolling_upgrade": FaultKind(
        0.0,
        0.0,
        "all",
        "workers of an earlier release are replaced by those of this one, in turn, as by `rolling_restart`",
    ),
    "rebalance_storm": FaultKind(2.0, 6.0, "all", "a further worker joins and is stopped, twice"),
    "kill_broker": FaultKind(1.0, 8.0, "broker", "a broker gets SIGKILL; its partitions get other leaders"),
    "freeze_broker": FaultKind(1.0, 8.0, "broker", "SIGSTOP of a broker, then SIGCONT"),
    "kafka_away": FaultKind(2.0, 6.0, "all", "all brokers get SIGKILL at once"),
    "cut_worker": FaultKind(1.0, 10.0, "worker", "connections of a worker to all brokers are closed and refused"),
    "cut_worker_from_broker": FaultKind(1.0, 10.0, "pair", "the same, to one broker only"),
    "nothing_up": FaultKind(2.0, 12.0, "worker", "what a worker sends does not arrive, without an error"),
    "nothing_down": FaultKind(2.0, 12.0, "worker", "what brokers answer a worker does not arrive, without an error"),
    "delay_worker": FaultKind(3.0, 8.0, "worker", "all of a worker's traffic takes 300 ms longer each way"),
    "slow_worker": FaultKind(3.0, 8.0, "worker", "a slow consumer: a worker gets 100 kB/s on each connection"),
    "isolate_broker": FaultKind(2.0, 10.0, "broker", "other brokers cannot reach this one"),
    "cut_scraper": FaultKind(1.0, 8.0, "scraper", "a scraper cannot reach any broker"),
    "kill_scraper": FaultKind(0.5, 3.0, "scraper", "a scraper gets SIGKILL, a lease it has with it; started again"),
    "s3_away": FaultKind(2.0, 10.0, "all", "the S3 server is unreachable"),
    "s3_silent": FaultKind(2.0, 10.0, "all", "the S3 server takes requests, and its answers do not arrive"),
    "pager_refuses": FaultKind(2.0, 8.0, "all", "the pager answers 503"),
    "pager_silent": FaultKind(3.0, 8.0, "all", "the pager takes messages, and answers nothing"),
    "clock_ahead": FaultKind(2.0, 8.0, "worker", "a worker's clock is 3 minutes ahead"),
    "clock_behind": FaultKind(2.0, 8.0, "worker", "a worker's clock is 3 minutes behind"),
    "disk_full": FaultKind(2.0, 8.0, "broker", "a broker's disk is full; it ends, and is started again with room"),
    "delete_topic": FaultKind(0.0, 0.0, "all", "`findings` is deleted, and made again when each worker has ended"),
    "add_partitions": FaultKind(
        0.0, 0.0, "all", "`findings` gets more partitions, and is as declared again when each worker has ended"
    ),
    "cut_changelog": FaultKind(
        0.0, 0.0, "all", "workers stop, a partition of `rates` loses its rows, `halt400 rebuild --missing`, they start"
    ),
    "poison": FaultKind(0.0, 0.0, "all", "records that are no events, of 32 kinds, and one of 7.9 MiB"),
    "duplicates": FaultKind(0.0, 0.0, "all", "2,000 events twice, in another order"),
    "reordered": FaultKind(0.0, 0.0, "all", "2,000 events whose times are shuffled over ten minutes around now"),
}
"""Every kind of fault, by name."""

TELLING = (
    "kill_worker",
    "freeze_worker",
    "rolling_restart",
    "kill_broker",
    "cut_worker",
    "nothing_down",
    "isolate_broker",
    "kill_scraper",
    "s3_away",
    "pager_silent",
    "clock_ahead",
    "poison",
    "duplicates",
)
"""Kinds of a short campaign: each breaks another part, and found a defect or is what happens most."""


SLOW = frozenset({"delete_topic", "add_partitions", "cut_changelog"})
"""Kinds for which every worker ends, for up to a minute or two."""
SLOW_ROUNDS = 3


class Fault(NamedTuple):
    """One fault. `which` chooses among the things of its kind."""

    at_s: float
    kind: str
    which: int
    for_s: float


def draw(
    seed: int, seconds: float, kinds: Sequence[str] = tuple(KINDS), *, gap_s: float = 4.0, overlap: float = 0.4
) -> list[Fault]:
    """Draw faults for a campaign of so many seconds: every kind once in random order, then again in another.

    The `SLOW` kinds come every third time only, so that workers run in between. A fault begins up to `gap_s` after the
    one before has begun, in a share `overlap` of all, or has ended.
    """
    rng, faults, at_s = random.Random(seed), list[Fault](), 3.0
    waiting: list[str] = []
    quick = [kind for kind in kinds if kind not in SLOW] or list(kinds)
    rounds = 0
    while True:
        if not waiting:
            waiting = (
                rng.sample(list(kinds), len(kinds)) if rounds % SLOW_ROUNDS == 0 else rng.sample(quick, len(quick))
            )
            rounds += 1
        name = waiting.pop()
        kind = KINDS[name]
        for_s = round(rng.uniform(kind.shortest_s, kind.longest_s), 1)
        which = rng.randrange(1 << 16)
        if at_s + for_s > seconds:
            return faults
        faults.append(Fault(round(at_s, 1), name, which, for_s))
        at_s += rng.uniform(0.5, gap_s) + (for_s if rng.random() < 1 - overlap else 0.0)


def write_schedule(faults: Sequence[Fault]) -> str:
    """A schedule as text, one fault a line: time, kind, which, duration."""
    return "".join(f"{fault.at_s:g} {fault.kind} {fault.which} {fault.for_s:g}\n" for fault in faults)


def read_schedule(text: str) -> list[Fault]:
    """Read what `write_schedule` wrote.

    Raises
    ------
    ValueError
        A line is no fault; the message has it.
    """
    faults = []
    for line in text.splitlines():
        parts = line.partition("#")[0].split()
        if not parts:
            continue
        try:
            at_s, kind, which, for_s = parts
            faults.append(Fault(float(at_s), {name: name for name in KINDS}[kind], int(which), float(for_s)))
        except (KeyError, ValueError) as error:
            raise ValueError(
                f"{line!r} is no fault: write SECONDS KIND WHICH DURATION, such as 5 kill_worker 0 2"
            ) from error
    return faults


def read_seed(text: str) -> int:
    """The seed that a schedule names in a line ``# seed 400``, which decides its traffic; 1 where it names none."""
    found = re.search(r"^# seed (\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else 1


async def shrink(faults: Sequence[Fault], fails: Callable[[Sequence[Fault]], Awaitable[bool]]) -> list[Fault]:
    """Fewer faults that still fail: delta debugging (Zeller and Hildebrandt, 2002), by ever smaller parts."""
    kept, parts = list(faults), 2
    while len(kept) >= 2:
        size = -(-len(kept) // parts)
        for start in range(0, len(kept), size):
            rest = kept[:start] + kept[start + size :]
            if rest and await fails(rest):
                kept, parts = rest, max(2, parts - 1)
                break
        else:
            if parts >= len(kept):
                break
            parts = min(len(kept), 2 * parts)
    return kept
