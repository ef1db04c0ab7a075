"""The handlers of targets: the list, one target's counts, and their course."""

from collections.abc import Callable
from typing import NoReturn

from aiohttp import web
from msgspec import UNSET, UnsetType

from halt400.windows import WINDOWS_S
from streams.api.models import Target, TargetPage
from streams.api.problems import raise_problem
from streams.api.query_parameters import RatesQuery, SeriesQuery, TargetQuery, read_query, time_parameter
from streams.api.read_model import ReadModel
from streams.api.responses import json_response, next_page
from streams.api.series import SPANS_S, STEPS_S

__all__ = ["TargetHandlers"]


class TargetHandlers:
    """Answers about targets."""

    def __init__(self, read_model: ReadModel) -> None:
        self._model = read_model

    async def targets(self, request: web.Request) -> web.Response:
        """Answer with a page of the targets."""
        query = read_query(request, TargetQuery)
        model = self._model
        page = slice(query.offset, query.offset + query.limit)
        if query.sort in ("target", "-target"):
            # Sorting by name needs no rows, so only the rows of the page are decoded.
            names = [name for name in model.rates.targets() if _fits(query, name)]
            if query.quarantined is not UNSET:
                quarantined = model.quarantines.targets()
                names = [name for name in names if (name in quarantined) == query.quarantined]
            if query.sort == "-target":
                names.reverse()
            as_of, total, targets = model.as_of, len(names), model.targets(names[page], query.window)
        else:
            overview = await model.all_targets(query.window)
            found = [
                target
                for target in overview.targets
                if _fits(query, target.target)
                and (query.quarantined is UNSET or bool(target.quarantines) == query.quarantined)
            ]
            as_of, total, targets = overview.as_of, len(found), _sorted(found, query.sort)[page]
        return json_response(
            TargetPage(
                as_of=as_of,
                stale=not model.healthy,
                total=total,
                limit=query.limit,
                offset=query.offset,
                next=next_page(request, query.offset + query.limit, total),
                targets=targets,
            ),
            now_ms=model.clock_ms(),
        )

    async def rates(self, request: web.Request) -> web.Response:
        """Answer with one target's counts."""
        target, query = request.match_info["target"], read_query(request, RatesQuery)
        at_ms = _time(query.at, "at")
        try:
            found = self._model.target_rates(target, query.window or WINDOWS_S, at_ms)
        except ValueError as error:
            raise_problem(
                404, "window_not_kept", f"{error}.", "Ask for a later time or a shorter window.", parameter="at"
            )
        if found is None:
            self._raise_unknown(target)
        return json_response(found, now_ms=self._model.clock_ms())

    async def series(self, request: web.Request) -> web.Response:
        """Answer with one target's counts over time."""
        target, query = request.match_info["target"], read_query(request, SeriesQuery)
        span_s = SPANS_S[query.span]
        step_s = None if query.step is UNSET else min(STEPS_S[query.step], span_s)
        found = self._model.series(target, span_s, step_s, _time(query.at, "at"))
        if found is None:
            self._raise_unknown(target)
        return json_response(found, now_ms=self._model.clock_ms())

    def _raise_unknown(self, target: str) -> NoReturn:
        near = self._model.rates.near(target)
        raise_problem(
            404,
            "unknown_target",
            f"Nothing is known of the target {target}.",
            f"Did you mean {near[0]}?" if near else "/v1/targets lists them all.",
            near=near,
        )


def _time(text: str | UnsetType, name: str) -> int | None:
    return None if text is UNSET else time_parameter(text, name)


def _fits(query: TargetQuery, name: str) -> bool:
    return name.startswith(query.prefix) and (not query.search or query.search.lower() in name.lower())


def _sorted(targets: list[Target], sort: str) -> list[Target]:
    value = _SORT_VALUE[sort.removeprefix("-")]
    sign = -1 if sort.startswith("-") else 1

    def sort_key(target: Target) -> tuple[bool, float, str]:
        found = value(target)
        return found is None, sign * (found or 0), target.target

    return sorted(targets, key=sort_key)


_SORT_VALUE: dict[str, Callable[[Target], float | None]] = {
    "responses": lambda target: target.window.responses,
    "bad_requests": lambda target: target.window.bad_requests,
    "bad_request_ratio": lambda target: target.window.bad_request_ratio,
    "last_bad_request": lambda target: target.last_bad_request,
}
