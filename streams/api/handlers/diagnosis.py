"""The handlers that explain: why a target is halted or not, and what is wrong with a request that someone pastes."""

import asyncio
from dataclasses import dataclass

from aiohttp import web

from halt400.diagnosis import find_defect
from halt400.errors import Halt400Error, InputError
from halt400.exchanges import RecordedExchange, read_for_diagnosis
from halt400.records import Diagnosis
from streams.api.access.middleware import allows
from streams.api.diagnosis_models import DiagnoseBody, DiagnosedRequest, DiagnoseResult, ExplanationAnswer
from streams.api.problems import raise_problem
from streams.api.read_model import ReadModel
from streams.api.request_body import read_body
from streams.api.responses import json_response
from streams.detection import explain
from streams.processing.target import TrackedTarget

__all__ = ["MOST_INPUT_BYTES", "Diagnosed", "DiagnosisHandlers", "diagnose_text"]

MOST_INPUT_BYTES = 4 << 20
MOST_REQUESTS = 1000


@dataclass(frozen=True)
class Diagnosed:
    """One request of a text; no diagnosis where nothing is wrong."""

    exchange: RecordedExchange
    diagnosis: Diagnosis | None


def diagnose_text(text: str) -> list[Diagnosed]:
    """Read a curl command, a HAR, a raw request or JSON lines, and diagnose each request.

    Raises
    ------
    Halt400Error
        It is nothing of the kind.
    """
    try:
        exchanges = read_for_diagnosis(text.encode(errors="replace"))
    except InputError as error:
        raise InputError(error.message, "Copy one of them whole.") from error
    return [Diagnosed(one, find_defect(one.request, one.response, as_sent=one.as_sent)) for one in exchanges]


class DiagnosisHandlers:
    """Answers with explanations."""

    def __init__(self, read_model: ReadModel) -> None:
        self._model = read_model

    async def explanation(self, request: web.Request) -> web.Response:
        """Answer with why a target is halted or not."""
        name, model = request.match_info["target"], self._model
        value = model.rates.follower.values.get(name.encode(errors="replace"))
        if value is None:
            raise_problem(404, "unknown_target", f"Nothing is known of the target {name}.", "/v1/targets lists them.")
        policies, _ = model.policies()
        found = explain(TrackedTarget.decode(value, name).state, policies, model.clock_ms())
        answer = ExplanationAnswer(as_of=model.as_of, stale=not model.healthy, explanation=found, lines=found.lines())
        return json_response(answer, now_ms=model.clock_ms())

    @allows("read")
    async def diagnose(self, request: web.Request) -> web.Response:
        """Answer with what is wrong with the requests of a text; nothing is sent or kept."""
        body = await read_body(request.clone(client_max_size=MOST_INPUT_BYTES), DiagnoseBody)
        try:
            found = await asyncio.to_thread(diagnose_text, body.text)
        except Halt400Error as error:
            problem = " ".join(part for part in (error.message, error.mend) if part)
            return json_response(DiagnoseResult(total=0, defects=0, requests=[], problem=problem))
        return json_response(
            DiagnoseResult(
                problem=None,
                total=len(found),
                defects=sum(one.diagnosis is not None for one in found),
                requests=[
                    DiagnosedRequest(
                        where=one.exchange.where,
                        method=one.exchange.request.method,
                        url=one.exchange.request.url,
                        status=None if one.exchange.response is None else one.exchange.response.status,
                        diagnosis=one.diagnosis,
                    )
                    for one in found[:MOST_REQUESTS]
                ],
            )
        )
