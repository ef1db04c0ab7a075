"""The handlers of what is on the logs: offences, findings, dead letters; and of incidents and the alerts about them."""

import asyncio
from collections.abc import Iterable
from typing import Any, NoReturn

from aiohttp import web
from msgspec import UNSET

from halt400.kafka.follower import Follower
from streams.api.log_models import (
    AlertPage,
    DeadLetterAnswer,
    DeadLetterPage,
    FindingPage,
    IncidentAnswer,
    IncidentPage,
    OffenceAnswer,
    OffencePage,
)
from streams.api.log_records import DLQ_TOPICS, parse_place
from streams.api.problems import raise_problem
from streams.api.query_parameters import (
    AlertQuery,
    DeadLetterQuery,
    FindingQuery,
    IncidentQuery,
    OffenceQuery,
    between,
    read_query,
)
from streams.api.read_model import ReadModel
from streams.api.recent_records import RecentRecords
from streams.api.responses import json_response, page_of

__all__ = ["LogHandlers"]

_IS_OPEN = {"open": True, "closed": False, "all": None}


class LogHandlers:
    """Answers about what was written to the logs."""

    def __init__(self, read_model: ReadModel) -> None:
        self._model = read_model

    async def offences(self, request: web.Request) -> web.Response:
        """Answer with a page of the recent offences."""
        query, logs = read_query(request, OffenceQuery), self._model.logs
        is_between = between(query.since, query.until)
        found = [
            offence
            for offence in logs.offences.newest(lambda offence: offence.time)
            if (query.target is UNSET or offence.target == query.target)
            and (query.job_id is UNSET or offence.job_id == query.job_id)
            and (query.cause is UNSET or (offence.diagnosis.cause if offence.diagnosis else "unknown") == query.cause)
            and (query.command_id is UNSET or offence.command_id == query.command_id)
            and (query.opens is UNSET or offence.opens == query.opens)
            and is_between(offence.time)
        ]
        page, offences = page_of(request, query, found)
        redacted = await asyncio.to_thread(lambda: list(map(logs.redacted, offences)))
        return self._respond(OffencePage(offences=redacted, **page, **self._extent(logs.offences)))

    async def offence(self, request: web.Request) -> web.Response:
        """Answer with one offence, whole and redacted."""
        text, model = request.match_info["id"], self._model
        place = parse_place(text)
        found = None if place is None else await model.logs.offence(place)
        if found is None:
            _raise_unknown_record("offence", text, "/v1/offences")
        har = await asyncio.to_thread(model.logs.har, found)
        return self._respond(OffenceAnswer(id=text, offence=found, har=har, **self._age([model.logs.offences])))

    async def findings(self, request: web.Request) -> web.Response:
        """Answer with a page of the recent findings."""
        query, logs = read_query(request, FindingQuery), self._model.logs
        is_between = between(query.since, query.until)
        found = [
            finding
            for finding in logs.findings.newest(lambda finding: finding.at_ms)
            if (not query.kind or finding.kind in query.kind)
            and (query.severity is UNSET or finding.severity == query.severity)
            and (query.target is UNSET or finding.target == query.target or query.target in finding.targets)
            and (query.job_id is UNSET or finding.job_id == query.job_id or query.job_id in finding.jobs)
            and is_between(finding.at_ms)
        ]
        page, findings = page_of(request, query, found)
        return self._respond(FindingPage(findings=list(findings), **page, **self._extent(logs.findings)))

    async def dead_letters(self, request: web.Request) -> web.Response:
        """Answer with a page of the recent dead letters."""
        query, logs = read_query(request, DeadLetterQuery), self._model.logs
        names = list[str](query.topic or DLQ_TOPICS)
        is_between = between(query.since, query.until)
        found = [
            letter
            for letter in logs.letters(names)
            if (query.error is UNSET or letter.error == query.error)
            and (query.key is UNSET or letter.key == query.key)
            and is_between(letter.at)
        ]
        page, letters = page_of(request, query, found)
        readers = [logs.dead_letters[name] for name in names]
        return self._respond(DeadLetterPage(dead_letters=list(letters), **page, **self._extent(*readers)))

    async def dead_letter(self, request: web.Request) -> web.Response:
        """Answer with one dead letter and the beginning of its value, redacted."""
        topic, text, model = request.match_info["topic"], request.match_info["id"], self._model
        place = parse_place(text)
        if topic not in DLQ_TOPICS or place is None:
            _raise_unknown_record("dead letter", f"{topic}/{text}", "/v1/dead-letters")
        found = await model.logs.dead_letter(topic, place)
        if found is None:
            _raise_unknown_record("dead letter", f"{topic}/{text}", "/v1/dead-letters")
        letter, value, truncated = found
        age = self._age([model.logs.dead_letters[topic]])
        return self._respond(DeadLetterAnswer(dead_letter=letter, value=value, value_truncated=truncated, **age))

    async def incidents(self, request: web.Request) -> web.Response:
        """Answer with a page of the incidents."""
        query, model = read_query(request, IncidentQuery), self._model
        found = model.incidents.find(
            is_open=_IS_OPEN[query.state],
            target=None if query.target is UNSET else query.target,
            cause=None if query.cause is UNSET else query.cause,
        )
        page, incidents = page_of(request, query, found)
        shown = list(map(model.incidents.shown, incidents))
        return self._respond(IncidentPage(incidents=shown, **page, **self._age([model.incidents.follower])))

    async def incident(self, request: web.Request) -> web.Response:
        """Answer with one incident."""
        key, model = request.match_info["incident"], self._model
        found = model.incidents.get(key)
        if found is None:
            raise_problem(
                404,
                "unknown_incident",
                f"There is no incident {key}.",
                "/v1/incidents?state=all lists them; a closed one is kept for a day.",
            )
        return self._respond(IncidentAnswer(incident=found, **self._age([model.incidents.follower])))

    async def alerts(self, request: web.Request) -> web.Response:
        """Answer with a page of what each sink was sent last of each incident."""
        query, model = read_query(request, AlertQuery), self._model
        found = model.incidents.sent(
            target=None if query.target is UNSET else query.target,
            sink=None if query.sink is UNSET else query.sink,
            undelivered=None if query.undelivered is UNSET else query.undelivered,
        )
        page, alerts = page_of(request, query, found)
        return self._respond(AlertPage(alerts=list(alerts), **page, **self._age([model.incidents.follower])))

    def _age(self, readers: Iterable[Follower | RecentRecords[Any]]) -> dict[str, Any]:
        readers = list(readers)
        return {"as_of": self._model.as_of_these(readers), "stale": not all(reader.healthy for reader in readers)}

    def _extent(self, *readers: RecentRecords[Any]) -> dict[str, Any]:
        if not all(reader.caught_up for reader in readers):
            raise_problem(
                503,
                "not_caught_up",
                f"This process has not read {' and '.join(reader.topic for reader in readers)} yet.",
                "Try again in a moment.",
                headers={"Retry-After": "1"},
            )
        return {
            **self._age(readers),
            "kept": sum(map(len, readers)),
            "skipped": sum(reader.skipped for reader in readers),
        }

    def _respond(self, answer: Any) -> web.Response:
        return json_response(answer, now_ms=self._model.clock_ms())


def _raise_unknown_record(noun: str, text: str, lists: str) -> NoReturn:
    raise_problem(
        404,
        "unknown_record",
        f"There is no {noun} {text}.",
        f"{lists} lists the recent ones; the broker deletes old records, the archive keeps its evidence.",
    )
