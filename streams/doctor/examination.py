"""All checks of an installation, in the order in which one thing needs another."""

from collections.abc import AsyncIterator

from streams.doctor.check_result import CheckResult
from streams.doctor.kafka_checks import check_kafka
from streams.doctor.outside_checks import check_api, check_archive, check_sinks
from streams.doctor.settings_checks import check_settings
from streams.settings import Settings

__all__ = ["examine"]


async def examine(settings: Settings, *, page: bool = False) -> AsyncIterator[CheckResult]:
    """Yield the result of each check as it comes; none raises.

    Parameters
    ----------
    page
        Send a real message through every route of alerts, marked as a test.
    """
    for result in check_settings(settings):
        yield result
    for results in (
        check_kafka(settings),
        check_archive(settings),
        check_sinks(settings, page=page),
        check_api(settings),
    ):
        async for result in results:
            yield result
