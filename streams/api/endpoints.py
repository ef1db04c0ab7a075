"""The endpoints: address, query parameters and answer of each. Routes and the OpenAPI document are made from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from streams.api import models as answers
from streams.api import query_parameters as queries

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


ENDPOINTS = (
    Endpoint("index", "/", "Where everything is.", answers.Index, data=False),
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
        parameters={"target": "The target as its events name it, percent-encoded; `host:port` needs no encoding."},
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
