"""A worker starts where a broker fails meanwhile, and says at once where none answers."""

import pytest

from halt400.errors import BrokerUnavailable, TopicMismatch
from streams.topics import BrokerFailed
from streams.worker.start_check import ATTEMPTS, check_start


class Checks:
    """Fails with these errors, one after the other, and then no more."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.runs = list(errors), 0

    async def __call__(self) -> None:
        self.runs += 1
        if self.errors:
            raise self.errors.pop(0)


async def test_a_broker_that_fails_meanwhile_is_waited_for() -> None:
    checks = Checks(BrokerFailed("lost"), BrokerFailed("lost"))
    await check_start(checks, is_child=False, pause_s=0)
    assert checks.runs == 3


async def test_an_address_at_which_nothing_answers_is_told_at_once_unless_the_parent_works() -> None:
    with pytest.raises(BrokerUnavailable, match="nobody"):
        await check_start(Checks(BrokerUnavailable("nobody")), is_child=False, pause_s=0)
    checks = Checks(BrokerUnavailable("nobody"))
    await check_start(checks, is_child=True, pause_s=0)
    assert checks.runs == 2


async def test_it_does_not_wait_for_ever_nor_for_a_person() -> None:
    with pytest.raises(BrokerFailed):
        await check_start(Checks(*[BrokerFailed("lost")] * ATTEMPTS), is_child=False, pause_s=0)
    with pytest.raises(TopicMismatch):
        await check_start(Checks(TopicMismatch("missing")), is_child=True, pause_s=0)
