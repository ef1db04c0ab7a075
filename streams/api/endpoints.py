"""The endpoints: address, query parameters and answer of each. Routes and the OpenAPI document are made from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from streams.api import log_models as logs
from streams.api import models as answers
from streams.api import policy_models as policies
from streams.api import query_parameters as queries
from streams.api import series

__all__ = ["ENDPOINTS", "Endpoint"]


@dataclass(frozen=True)
class Endpoint:
    """One address that answers GET and HEAD.

    Parameters
    ----------
    id
        Name of its handler, and its operationId.
    path
        The address, as in OpenAPI.
    answer
        Type of the body of a 200; None for a document of another standard.
    query
        Type of the query parameters; None where there are none.
    problems
        Its error statuses besides 401 (unless `open`), 405, 500 and, where `data` is set, 503.
    parameters
        The parameters in the path, with their descriptions.
    open
        Whether it answers without the token.
    data
        Whether the read model must have caught up.
    """

    id: str
    path: str
    summary: str
    answer: type[Struct] | None
    query: type[Struct] | None = None
    problems: tuple[int, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    open: bool = False
    data: bool = True


_TARGET = "The target as its events name it, percent-encoded; `host:port` needs no encoding."
_PLACE = "Partition and offset of the record on its topic, such as `3-4711`."

ENDPOINTS = (
    Endpoint("index", "/v1", "Where everything is.", answers.Index, data=False),
    Endpoint(
        "targets",
        "/v1/targets",
        "All targets, a page at a time.",
        answers.TargetPage,
        query=queries.TargetQuery,
        problems=(400,),
    ),
    Endpoint(
        "rates",
        "/v1/targets/{target}/rates",
        "Counts and ratios of one target, at any moment of the last day.",
        answers.TargetRates,
        query=queries.RatesQuery,
        problems=(400, 404),
        parameters={"target": _TARGET},
    ),
    Endpoint(
        "series",
        "/v1/targets/{target}/series",
        "Counts of one target over time, for a chart.",
        series.Series,
        query=queries.SeriesQuery,
        problems=(400, 404),
        parameters={"target": _TARGET},
    ),
    Endpoint(
        "quarantines",
        "/v1/quarantines",
        "What is halted, and why; a page at a time.",
        answers.QuarantinePage,
        query=queries.QuarantineQuery,
        problems=(400,),
    ),
    Endpoint(
        "quarantine",
        "/v1/quarantines/{scope}",
        "The latest command of one scope.",
        answers.Quarantine,
        problems=(404,),
        parameters={"scope": "The scope's id, such as `job/api.shop.example/extract-099`; its slashes may stay."},
    ),
    Endpoint(
        "commands",
        "/v1/commands",
        "Every command that is still known, the latest first: the history of the quarantines.",
        answers.CommandPage,
        query=queries.CommandQuery,
        problems=(400,),
    ),
    Endpoint(
        "offences",
        "/v1/offences",
        "The recent 400s with their diagnosis, the newest first.",
        logs.OffencePage,
        query=queries.OffenceQuery,
        problems=(400,),
    ),
    Endpoint(
        "offence",
        "/v1/offences/{id}",
        "One 400 with its request and response, redacted as in the archive.",
        logs.OffenceAnswer,
        problems=(404,),
        parameters={"id": _PLACE},
    ),
    Endpoint(
        "findings",
        "/v1/findings",
        "The recent findings, the newest first.",
        logs.FindingPage,
        query=queries.FindingQuery,
        problems=(400,),
    ),
    Endpoint(
        "dead_letters",
        "/v1/dead-letters",
        "The recent dead letters, the newest first.",
        logs.DeadLetterPage,
        query=queries.DeadLetterQuery,
        problems=(400,),
    ),
    Endpoint(
        "dead_letter",
        "/v1/dead-letters/{topic}/{id}",
        "One dead letter with its value, redacted.",
        logs.DeadLetterAnswer,
        problems=(404,),
        parameters={"topic": "`responses.dlq` or `alerts.dlq`.", "id": _PLACE},
    ),
    Endpoint(
        "incidents",
        "/v1/incidents",
        "The open incidents, each with its key, scopes and what was sent of it.",
        logs.IncidentPage,
        query=queries.IncidentQuery,
        problems=(400,),
    ),
    Endpoint(
        "incident",
        "/v1/incidents/{incident}",
        "One incident.",
        logs.IncidentAnswer,
        problems=(404,),
        parameters={"incident": "Its key, such as `api.shop.example/malformed_json`; its slashes may stay."},
    ),
    Endpoint(
        "alerts",
        "/v1/alerts",
        "What each sink was sent last of each incident, the newest first.",
        logs.AlertPage,
        query=queries.AlertQuery,
        problems=(400,),
    ),
    Endpoint(
        "policies",
        "/v1/policies",
        "The policies that this process reads, and the rule for one target.",
        policies.PolicyAnswer,
        query=queries.PolicyQuery,
        problems=(400,),
        data=False,
    ),
    Endpoint("alive", "/healthz", "Whether the process is alive.", answers.Health, open=True, data=False),
    Endpoint(
        "ready",
        "/readyz",
        "Whether the answers are up to date: 200 or 503.",
        answers.Readiness,
        open=True,
        data=False,
    ),
    Endpoint("openapi", "/openapi.json", "This API as an OpenAPI 3.1 document.", None, data=False),
)
