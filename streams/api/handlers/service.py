"""The handlers of what is about the service itself: index, health checks, the document, the policies in force."""

from importlib.metadata import version

import orjson
from aiohttp import web
from msgspec import UNSET

from streams.api.access.middleware import allows
from streams.api.endpoints import ENDPOINTS
from streams.api.models import Health, Index, Readiness
from streams.api.openapi import openapi_document
from streams.api.policy_models import PolicyAnswer
from streams.api.problems import raise_problem
from streams.api.query_parameters import PolicyQuery, WhatIfQuery, read_query
from streams.api.read_model import ReadModel
from streams.api.responses import JSON, json_response
from streams.api.what_if import run_what_if
from streams.replay.what_if import Changes

__all__ = ["ServiceHandlers"]


class ServiceHandlers:
    """Answers about the service."""

    def __init__(self, read_model: ReadModel) -> None:
        self._model = read_model

    async def index(self, request: web.Request) -> web.Response:
        """Answer with every address."""
        return json_response(
            Index(name="halt400", version=version("halt400"), links={found.id: found.path for found in ENDPOINTS})
        )

    @allows("everyone")
    async def alive(self, request: web.Request) -> web.Response:
        """Answer that the process is alive."""
        return json_response(Health())

    @allows("everyone")
    async def ready(self, request: web.Request) -> web.Response:
        """Answer whether the answers are up to date."""
        ready = self._model.healthy
        answer = Readiness(status="ready" if ready else "not_ready", followers=self._model.follower_states())
        return json_response(answer, status=200 if ready else 503)

    async def openapi(self, request: web.Request) -> web.Response:
        """Answer with the OpenAPI document."""
        return web.Response(body=orjson.dumps(openapi_document()), content_type=JSON)

    async def policies(self, request: web.Request) -> web.Response:
        """Answer with the policies, and the rule for one target."""
        query = read_query(request, PolicyQuery)
        policies, file = self._model.policies()
        return json_response(
            PolicyAnswer(
                file=file,
                rules=list(policies.rules),
                default=policies.default,
                fleet=policies.fleet,
                tiers=policies.tiers,
                retries=policies.retries,
                target=None if query.target is UNSET else query.target,
                rule=None if query.target is UNSET else policies.rule_for(query.target),
            )
        )

    async def what_if(self, request: web.Request) -> web.Response:
        """Answer with what another rule would have done."""
        query = read_query(request, WhatIfQuery)
        if self._model.rates.row(query.target) is None:
            raise_problem(
                404, "unknown_target", f"Nothing is known of the target {query.target}.", "/v1/targets lists them all."
            )
        given = {name: getattr(query, name) for name in Changes.__struct_fields__}
        changes = Changes(**{name: value for name, value in given.items() if value is not UNSET})
        found = await run_what_if(self._model.kafka, self._model.partitions, query.target, changes, query.hours)
        return json_response(found)
