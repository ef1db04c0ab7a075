"""The endpoints: address, query parameters and answer of each. Routes and the OpenAPI document are made from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from msgspec import Struct

from streams.api import alert_routes as alerting
from streams.api import diagnosis_models as diagnoses
from streams.api import log_models as logs
from streams.api import models as answers
from streams.api import operation_models as operations
from streams.api import policy_models as policies
from streams.api import query_parameters as queries
from streams.api import series
from streams.replay.what_if import WhatIf

__all__ = ["ENDPOINTS", "Endpoint"]


@dataclass(frozen=True)
class Endpoint:
    """One address and method; what answers GET answers HEAD.

    Parameters
    ----------
    id
        Name of its handler, and its operationId.
    path
        The address, as in OpenAPI.
    answer
        Type of the body of a 200; None for a document of another standard, in `media_type`.
    query
        Type of the query parameters; None where there are none.
    method
        What changes something needs the role operate, unless its handler says otherwise.
    body
        Type of the JSON body; None where there is none.
    headers
        Request headers that mean something here, with their descriptions.
    problems
        Its error statuses besides those that any of its kind can have.
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
    method: Literal["GET", "POST", "DELETE"] = "GET"
    body: type[Struct] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"


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
        "explanation",
        "/v1/targets/{target}/explanation",
        "Why a target is halted or not: its rule, its evidence in each tier, its last 400.",
        diagnoses.ExplanationAnswer,
        problems=(404,),
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
        "alert_routes",
        "/v1/alerts/routes",
        "Who is alerted: the routes of the file that this process reads, and what a target's quarantine is sent to.",
        alerting.RoutesAnswer,
        query=queries.RouteQuery,
        problems=(400, 409),
        data=False,
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
    Endpoint(
        "what_if",
        "/v1/policies/what-if",
        "What another rule would have done to the recent responses of a target.",
        WhatIf,
        query=queries.WhatIfQuery,
        problems=(400, 404),
    ),
    Endpoint(
        "diagnose",
        "/v1/diagnoses",
        "What is wrong with a request: a curl command, a HAR, raw HTTP or JSON lines; nothing is sent or kept.",
        diagnoses.DiagnoseResult,
        method="POST",
        body=diagnoses.DiagnoseBody,
        problems=(400,),
        data=False,
    ),
    Endpoint(
        "operate",
        "/v1/operations",
        "Release, extend, quarantine or probe a scope; answers when a worker has carried it out.",
        operations.OperationResult,
        method="POST",
        body=operations.OperationBody,
        headers={"Idempotency-Key": "An operation that is sent again with the same key takes effect once."},
        problems=(400, 404, 409, 422, 504),
    ),
    Endpoint(
        "acknowledge",
        "/v1/acknowledgements",
        "Say that someone works on an incident.",
        operations.AcknowledgementResult,
        method="POST",
        body=operations.AcknowledgementBody,
        problems=(400, 404),
    ),
    Endpoint(
        "test_routes",
        "/v1/alerts/tests",
        "Send a real message through the routes, marked as a test, and resolve it.",
        alerting.RouteTestResult,
        method="POST",
        body=alerting.RouteTestBody,
        problems=(400, 404, 409),
        data=False,
    ),
    Endpoint(
        "resend",
        "/v1/alerts/resend",
        "Send again what no sink took, from alerts.dlq; what fails again stays there.",
        alerting.ResendCounts,
        method="POST",
        body=alerting.ResendBody,
        problems=(400, 409),
    ),
    Endpoint(
        "redrive",
        "/v1/dead-letters/redrive",
        "Publish refused records again: those that can be taken, each once.",
        operations.RedriveResult,
        method="POST",
        body=operations.RedriveBody,
        problems=(400, 404),
    ),
    Endpoint(
        "events",
        "/v1/events",
        "What changes, as server-sent events; `Last-Event-ID` resumes a stream.",
        None,
        query=queries.EventQuery,
        headers={"Last-Event-ID": "The id of the last event; the client gets what it missed, or `reload`."},
        media_type="text/event-stream",
    ),
    Endpoint("session", "/v1/session", "Who sends this request.", operations.SessionAnswer, data=False),
    Endpoint(
        "login",
        "/v1/session",
        "Open a session with a token: sets a cookie that scripts cannot read.",
        operations.SessionAnswer,
        method="POST",
        body=operations.LoginBody,
        problems=(400, 401),
        open=True,
        data=False,
    ),
    Endpoint(
        "logout",
        "/v1/session",
        "End the session.",
        operations.SessionAnswer,
        method="DELETE",
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
