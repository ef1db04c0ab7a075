"""Renders the templates: autoescape always, no value may be missing, and every text of the data is made visible."""

from importlib.metadata import version
from typing import Any
from urllib.parse import quote

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from halt400.records import Evidence
from streams.page import charts, texts
from streams.page.assets import DIRECTORY, Assets

__all__ = ["Renderer"]

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""No inline script or style, nothing from elsewhere; `data:` is for the icons in the style sheet."""

FIRST_SEEN = ("layout.html", "fragment.html", "parts.html", "fleet.html")


class Renderer:
    """Makes the HTML of a page.

    Parameters
    ----------
    assets
        Gives the addresses of scripts and styles.
    """

    def __init__(self, assets: Assets) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(DIRECTORY.parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_finalize,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {
            "cause": texts.cause_title,
            "count": texts.count,
            "percent": texts.percent,
            "visible": texts.visible,
            "iso": texts.iso_time,
            "segment": _segment,
        }
        self._environment.globals |= {
            "asset": assets.address,
            "version": version("halt400"),
            "clock_time": texts.clock_time,
            "ago": texts.ago,
            "sparkline": charts.sparkline,
            "caret": _caret,
        }

        # The first who looks at the fleet does not wait for its templates to be compiled.
        for name in FIRST_SEEN:
            self._environment.get_template(name)

    def html(self, template: str, **values: Any) -> str:
        """Render a template."""
        return self._environment.get_template(template).render(values)

    def response(self, template: str, *, status: int = 200, **values: Any) -> web.Response:
        """Render a template as an HTML response."""
        return html_response(self.html(template, **values), status)


def html_response(text: str, status: int = 200) -> web.Response:
    """Return a response with the headers of every page."""
    return web.Response(
        body=text.encode(errors="replace"),
        status=status,
        content_type="text/html",
        charset="utf-8",
        headers={
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
            "Referrer-Policy": "same-origin",
            "X-Frame-Options": "DENY",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        },
    )


def _caret(evidence: Evidence) -> Markup:
    """An excerpt with its place marked, and a caret below it where no character of two columns is before it."""
    excerpt, place = evidence.excerpt or "", evidence.caret
    if place is None:
        return Markup("{}").format(texts.visible(excerpt))
    before, at, after = (
        texts.visible(part) for part in (excerpt[:place], excerpt[place : place + 1], excerpt[place + 1 :])
    )
    columns = sum(texts.columns(character) for character in before)
    return Markup("{}<mark>{}</mark>{}\n{}<b>^</b>").format(before, at or " ", after, " " * columns)


def _segment(text: str) -> str:
    """Encode a text as one segment of a path."""
    return quote(text, safe=":", errors="replace")


def _finalize(value: Any) -> Any:
    return texts.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
