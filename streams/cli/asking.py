"""What the commands share that show an answer of the HTTP API: options, and printing it once or repeatedly."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from halt400.errors import Halt400Error
from streams.cli.output import OutputFormat, print_json, visible_texts

if TYPE_CHECKING:
    from streams.api.client import ApiClient

__all__ = ["LimitOption", "OutputOption", "UrlOption", "WatchOption", "api_client", "follow_answers", "show_answer"]

FOLLOW_INTERVAL_S = 1.0

UrlOption = Annotated[
    str | None, typer.Option(help="Address of the API.", show_default="of HALT400_API_HOST and HALT400_API_PORT")
]
OutputOption = Annotated[OutputFormat, typer.Option("--format", help="A table, or the API's answer as JSON.")]
LimitOption = Annotated[int, typer.Option(min=1, max=1000, help="Most lines to show.")]
WatchOption = Annotated[
    float | None,
    typer.Option("--watch", min=0.2, metavar="SECONDS", help="Show it again every so many seconds, until Ctrl-C."),
]


def api_client(url: str | None) -> "ApiClient":
    """A client of the API of the settings, or of the one at another address."""
    from streams.api.client import ApiClient
    from streams.settings import load_settings

    return ApiClient(load_settings().api, url)


def show_answer(
    url: str | None,
    watch_s: float | None,
    output: OutputFormat,
    ask: "Callable[[ApiClient], dict[str, Any]]",
    show: Callable[[dict[str, Any]], None],
) -> None:
    """Ask the API and print its answer; with `watch_s` again and again, through outages of the API, until Ctrl-C.

    Parameters
    ----------
    show
        Prints the answer for people; control characters in its texts are visible.
    """
    if watch_s is None:
        with api_client(url) as client:
            answer, stale = ask(client), client.staleness()
        _print(answer, stale, output, show)
        return
    screen = Console()
    with suppress(KeyboardInterrupt), api_client(url) as client:
        while True:
            try:
                answer, stale = ask(client), client.staleness()
            except Halt400Error as error:
                _warn(str(error))
            else:
                if screen.is_terminal and output != "json":
                    screen.clear()
                _print(answer, stale, output, show)
            time.sleep(watch_s)


def follow_answers(
    url: str | None,
    ask: "Callable[[ApiClient], dict[str, Any]]",
    listed: Callable[[dict[str, Any]], list[dict[str, Any]]],
    identity: Callable[[dict[str, Any]], str],
    show: Callable[[dict[str, Any]], None],
) -> None:
    """Show what a list of the API gets from now on, the oldest first, through outages of the API, until Ctrl-C.

    Parameters
    ----------
    listed
        What the answer lists, the newest first.
    identity
        By which a thing that was shown is known.
    """
    seen: set[str] | None = None
    said: str | None = None
    with suppress(KeyboardInterrupt), api_client(url) as client:
        while True:
            try:
                found, stale = listed(ask(client)), client.staleness()
            except Halt400Error as error:
                found, stale = [], str(error)
            else:
                if seen is not None:
                    for one in reversed([one for one in found if identity(one) not in seen]):
                        show(one)
                seen = (seen or set()) | {identity(one) for one in found}
            if stale is not None and said is None:
                _warn(stale)
            said = stale
            time.sleep(FOLLOW_INTERVAL_S)


def _print(
    answer: dict[str, Any], stale: str | None, output: OutputFormat, show: Callable[[dict[str, Any]], None]
) -> None:
    if output == "json":
        print_json(answer)
    else:
        show(visible_texts(answer))
    if stale is not None:
        _warn(f"Stale: {stale}")


def _warn(text: str) -> None:
    """Write a line on stderr, where JSON is not disturbed."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(text, "bold yellow"))
