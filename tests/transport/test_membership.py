"""Whether a process is surely a member of its group, by answered heartbeats and its own clock."""

from streams.transport import Membership


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Coordinator:
    """What aiokafka's has: a heartbeat that may take long and may not be answered."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.takes_s, self.is_answered = clock, 0.0, True

    async def _do_heartbeat(self) -> bool:
        self.clock.now += self.takes_s
        return self.is_answered


async def test_a_member_is_sure_for_a_session_after_the_heartbeat_that_was_answered_was_sent() -> None:
    clock = Clock()
    membership, coordinator = Membership(6.0, clock), Coordinator(clock)
    membership.watch(coordinator)
    assert not membership.is_sure
    membership.joined()
    assert membership.is_sure
    clock.now += 5.0
    coordinator.takes_s = 4.0
    assert await coordinator._do_heartbeat()
    clock.now += 1.9
    assert membership.is_sure, "5.9 s after it was sent"
    clock.now += 0.2
    assert not membership.is_sure, "the answer came later, which proves nothing"


async def test_a_heartbeat_without_an_answer_confirms_nothing() -> None:
    clock = Clock()
    membership, coordinator = Membership(6.0, clock), Coordinator(clock)
    membership.watch(coordinator)
    membership.joined()
    clock.now += 6.0
    coordinator.is_answered = False
    assert not await coordinator._do_heartbeat()
    assert not membership.is_sure


def test_an_older_answer_takes_nothing_back() -> None:
    clock = Clock()
    membership = Membership(6.0, clock)
    membership.confirm(103.0)
    membership.confirm(101.0)
    clock.now = 108.9
    assert membership.is_sure
