"""The handler of the event stream."""

import asyncio

from aiohttp import web
from msgspec import UNSET, UnsetType

from streams.api.events import EventHub
from streams.api.events.listener import Interest
from streams.api.problems import raise_problem
from streams.api.query_parameters import EventQuery, read_query

__all__ = ["EventHandlers"]

EVENT_STREAM = "text/event-stream"
SLOWEST_WRITE_S = 30.0
LONGEST_ID = 100


class EventHandlers:
    """Streams events."""

    def __init__(self, hub: EventHub) -> None:
        self._hub = hub

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Stream events until the client goes, or does not read for 30 s."""
        query = read_query(request, EventQuery)
        if self._hub.is_full:
            raise_problem(
                503,
                "too_many_listeners",
                f"{self._hub.listeners} listen already.",
                "Ask another process, or raise HALT400_API_LISTENERS.",
                headers={"Retry-After": "5"},
            )
        response = web.StreamResponse(headers={"X-Accel-Buffering": "no"})
        response.content_type, response.charset = EVENT_STREAM, "utf-8"
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        kinds = frozenset[str](query.kind)
        target: str | UnsetType = query.target
        interest = Interest(kinds=kinds | {"more"} if kinds else kinds, target=None if target is UNSET else target)
        listener = self._hub.listen(interest, request.headers.get("Last-Event-ID", "")[:LONGEST_ID])
        try:
            while (chunk := await listener.next()) is not None:
                async with asyncio.timeout(SLOWEST_WRITE_S):
                    await response.write(chunk)
        except ConnectionError:
            pass  # the client has gone while it was written to
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        finally:
            self._hub.leave(listener)
        return response
