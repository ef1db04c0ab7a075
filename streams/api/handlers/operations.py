"""The handlers of what changes something: operations and acknowledgements. Each is logged with its actor."""

import logging
from hashlib import blake2b

import msgspec
from aiohttp import web

from halt400.errors import QueryError
from halt400.kafka.record_sender import RecordSender
from halt400.operations import OperationPublisher
from halt400.records import Command
from halt400.start_stop import StartStop
from streams.alerts.alerts_topic import acknowledge_open
from streams.alerts.incident import Acknowledgement
from streams.alerts.text import one_line
from streams.api.access.actor import actor_of, log_change
from streams.api.access.middleware import identity_of
from streams.api.log_models import IncidentSummary
from streams.api.operation_models import AcknowledgementBody, AcknowledgementResult, OperationBody, OperationResult
from streams.api.problems import raise_problem
from streams.api.read_model import ReadModel
from streams.api.request_body import read_body
from streams.api.responses import json_response
from streams.operations import OperationFailed, OperationRequest, OperationSender, parse_scope

__all__ = ["OperationHandlers"]

log = logging.getLogger("halt400.api")

LONGEST_KEY = 255
MOST_KEYS = 10_000


class OperationHandlers(StartStop):
    """Sends what people ask of scopes and incidents; connects when the first asks."""

    def __init__(self, read_model: ReadModel) -> None:
        self._model = read_model
        control = read_model.quarantines
        self._publisher = OperationPublisher(control.follower.kafka)
        self._sender = OperationSender(control.follower, control.history, self._publisher)
        self._asked: dict[str, bytes] = {}

    async def stop(self) -> None:
        """Close the connections."""
        await self._publisher.stop()

    @property
    def record_sender(self) -> RecordSender:
        """The producer of all changes."""
        return self._publisher.sender

    async def operate(self, request: web.Request) -> web.Response:
        """Send an operation, and answer with the command that it led to."""
        body = await read_body(request, OperationBody)
        operation_id, command = await self.carry_out(request, body)
        (quarantine,) = self._model.quarantines.shown([command])
        return json_response(
            OperationResult(operation_id=operation_id, quarantine=quarantine),
            as_of=self._model.as_of,
            now_ms=self._model.clock_ms(),
        )

    async def carry_out(self, request: web.Request, body: OperationBody) -> tuple[str | None, Command]:
        """Send an operation; return its id where the client gave a key, and the command that it led to."""
        operation = self._request(body, actor_of(request, body.actor))
        key = self._idempotency_key(request, body)
        operation_id = None if key is None else operation.operation_id(key)
        what = f"{operation.kind} of {operation.scope.id}"
        log_change(request, f"asks for {what}", operation.actor, operation.reason)
        try:
            return operation_id, await self._sender.send(operation, body.timeout_s, same_as=operation_id)
        except OperationFailed as error:
            log.warning("%s by %s: %s", one_line(what), one_line(operation.actor), one_line(error.message))
            raise_problem(504 if error.sent else 409, error.code, error.message, error.mend)

    async def acknowledge(self, request: web.Request) -> web.Response:
        """Record that someone works on an incident."""
        body, model = await read_body(request, AcknowledgementBody), self._model
        by, known = await self.acknowledge_as(request, body)
        return json_response(AcknowledgementResult(by=by, incident=known), as_of=model.as_of, now_ms=model.clock_ms())

    async def acknowledge_as(self, request: web.Request, body: AcknowledgementBody) -> tuple[str, IncidentSummary]:
        """Record that who sends the request works on an incident; return the name, and the incident as it was."""
        model, by = self._model, actor_of(request, body.actor)
        known = model.incidents.get(body.incident)
        acknowledgement = Acknowledgement(by=by, at=model.clock_ms(), reason=body.reason)
        try:
            await acknowledge_open(model.incidents.follower, self.record_sender, body.incident, acknowledgement)
        except QueryError as error:
            raise_problem(404, "unknown_incident", error.message, "/v1/incidents lists the open ones.")
        assert known is not None
        log_change(request, f"acknowledges {body.incident}", by, body.reason or "-")
        return by, known

    def _request(self, body: OperationBody, actor: str) -> OperationRequest:
        try:
            scope = parse_scope(body.scope)
        except ValueError as error:
            raise_problem(404, "unknown_scope", f"There is no scope {error}.", "/v1/quarantines lists them.")
        try:
            return OperationRequest(kind=body.kind, scope=scope, actor=actor, reason=body.reason, hold_s=body.hold_s)
        except ValueError as error:
            raise_problem(400, "bad_body", f"{error}.", "Correct it.", parameter=str(error).partition(": ")[0])

    def _idempotency_key(self, request: web.Request, body: OperationBody) -> str | None:
        """The client's key for this operation; one key with another body is refused."""
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return None
        if not 0 < len(key) <= LONGEST_KEY:
            raise_problem(
                400, "bad_header", f"Idempotency-Key has {len(key)} characters.", f"Use 1 to {LONGEST_KEY} of them."
            )
        owned = f"{identity_of(request).name}\n{key}"
        digest = blake2b(msgspec.json.encode(body), digest_size=16).digest()
        if self._asked.setdefault(owned, digest) != digest:
            raise_problem(
                422, "key_reused", "This Idempotency-Key came with another body.", "Use a new key for a new operation."
            )
        if len(self._asked) > MOST_KEYS:
            del self._asked[next(iter(self._asked))]
        return key
