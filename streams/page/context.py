"""What every page shows besides its content: navigation, who looks, how old the data is; and the pager of a list."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from streams.api.access.middleware import IDENTITY
from streams.api.problems import raise_problem
from streams.api.read_model import ReadModel
from streams.page.rendering import Renderer

__all__ = ["PageContext", "Pager"]

PAGES = (
    ("/", "Fleet"),
    ("/quarantines", "Quarantines"),
    ("/offences", "Offences"),
    ("/findings", "Findings"),
    ("/alerts", "Alerts"),
    ("/diagnose", "Diagnose"),
    ("/policies", "Policies"),
    ("/system", "System"),
)


@dataclass(frozen=True)
class Pager:
    """Where a list's page lies; `previous` and `next` are addresses."""

    first: int
    last: int
    total: int
    limit: int
    previous: str | None
    next: str | None

    @classmethod
    def of(cls, request: web.Request, *, offset: int, limit: int, total: int) -> "Pager":
        """Make the pager of the page of `limit` entries from `offset` on."""

        def address(start: int) -> str:
            return str(request.rel_url.update_query(offset=start))

        return cls(
            first=min(offset + 1, total),
            last=min(offset + limit, total),
            total=total,
            limit=limit,
            previous=address(max(0, offset - limit)) if offset else None,
            next=address(offset + limit) if offset + limit < total else None,
        )


class PageContext:
    """Renders pages with what they all show."""

    def __init__(self, model: ReadModel, renderer: Renderer) -> None:
        self.model = model
        self._renderer = renderer

    def page(self, request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
        """Answer with a page; to htmx with its content only."""
        model, now_ms = self.model, self.model.clock_ms()
        common = {
            "pages": PAGES,
            "here": request.path,
            "address": request.rel_url.raw_path_qs,
            "fragment": "HX-Request" in request.headers,
            "identity": request.get(IDENTITY),
            "now_ms": now_ms,
            "events": None,
            "stale_since": model.as_of if model.caught_up and not model.healthy else None,
        }
        return self._renderer.response(template, status=status, **(common | values))

    def may_operate(self, request: web.Request) -> bool:
        """Whether who looks may change something."""
        identity = request.get(IDENTITY)
        return identity is not None and identity.may("operate")

    def events_of(self, target: str) -> str:
        """Return the address of the live updates of one target."""
        return f"/v1/events?{urlencode({'target': target}, errors='replace')}"

    def require_data(self) -> None:
        """End the handler where this process has not read its topics yet."""
        if not self.model.caught_up:
            raise_problem(
                503,
                "not_caught_up",
                "This process has not read its Kafka topics to the end yet.",
                "Reload in a moment; /readyz shows the progress.",
                headers={"Retry-After": "1"},
            )


def query_text(request: web.Request, name: str, *, longest: int = 255) -> str:
    """Return one parameter's text without outer space; empty where it is not given."""
    return request.query.get(name, "").strip()[:longest]


def query_choice(request: web.Request, name: str, choices: Iterable[str], default: str = "") -> str:
    """Return one parameter where it is among the choices, else the default: a form's empty choice means none."""
    value = query_text(request, name)
    return value if value in choices else default


def query_offset(request: web.Request) -> int:
    """Return the parameter `offset`; 0 where it is no number."""
    text = query_text(request, "offset", longest=9)
    return int(text) if text.isascii() and text.isdigit() else 0


Handler = Callable[[web.Request], Any]
