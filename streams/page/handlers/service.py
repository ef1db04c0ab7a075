"""The policies in force, and the system: how far everything has read, dead letters, sinks, versions."""

import platform
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version

from aiohttp import web

from halt400.errors import BrokerUnavailable
from streams.api.log_models import SentAlert
from streams.api.log_records import DLQ_TOPICS
from streams.page.context import PageContext, query_text
from streams.page.group_lag import GroupLag, PartitionLag

__all__ = ["ServicePageHandlers"]

MOST_LETTERS = 20
PACKAGES = ("halt400", "faust-streaming", "aiokafka", "aiohttp", "msgspec")


@dataclass(frozen=True)
class SinkSummary:
    """What one sink was sent last; `undelivered` counts the incidents of which it took nothing."""

    name: str
    at: int
    incidents: int
    undelivered: int


class ServicePageHandlers:
    """Answers about the service."""

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self._lag = GroupLag(context.model.quarantines.follower.kafka)
        self.routes = [web.get("/policies", self.policies), web.get("/system", self.system)]

    async def policies(self, request: web.Request) -> web.Response:
        """Answer with the policies, and the rule for one target."""
        policies, file = self._context.model.policies()
        target = query_text(request, "target")
        return self._context.page(
            request,
            "policies.html",
            policies=policies,
            file=file,
            target=target,
            rule=policies.rule_for(target) if target else None,
        )

    async def system(self, request: web.Request) -> web.Response:
        """Answer with the state of the service, also while Kafka is away."""
        model = self._context.model
        lags, problem = await self._read_lag()
        letters = [
            letter for topic in DLQ_TOPICS for letter in model.logs.dead_letters[topic].newest(lambda letter: letter.at)
        ]
        letters.sort(key=lambda letter: -letter.at)
        return self._context.page(
            request,
            "system.html",
            followers=model.follower_states(),
            readers=model.logs.readers,
            lags=lags,
            problem=problem,
            letters=letters[:MOST_LETTERS],
            letter_count=len(letters),
            sinks=_sinks(model.incidents.sent(target=None, sink=None, undelivered=None)),
            versions=[("Python", platform.python_version()), *((name, version(name)) for name in PACKAGES)],
            events=None,
        )

    async def _read_lag(self) -> tuple[list[PartitionLag], str | None]:
        try:
            return await self._lag.read(), None
        except BrokerUnavailable as error:
            return [], error.message


def _sinks(sent: Iterable[SentAlert]) -> list[SinkSummary]:
    """Sum up what was sent, the newest first, by sink."""
    by_name: dict[str, list[SentAlert]] = {}
    for alert in sent:
        by_name.setdefault(alert.sink, []).append(alert)
    return [
        SinkSummary(name, alerts[0].at, len(alerts), sum(alert.undelivered for alert in alerts))
        for name, alerts in sorted(by_name.items())
    ]
