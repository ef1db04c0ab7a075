"""The server of API and page."""

from collections.abc import Callable

from streams.api.read_model import wall_clock_ms
from streams.api.server import ApiServer
from streams.page.routes import add_page
from streams.settings import Settings

__all__ = ["page_server"]


def page_server(settings: Settings, *, clock_ms: Callable[[], int] = wall_clock_ms) -> ApiServer:
    """Build the server of the API with the page at `/`.

    Raises
    ------
    SettingError
        halt400.toml cannot be read, or something in it is wrong.
    """
    return ApiServer.of(settings, clock_ms=clock_ms, extend=add_page)
