"""Where the tests find a Chromium: the variable CHROMIUM, else the PATH, else where Playwright installs its own."""

import os
import shutil
from pathlib import Path

import pytest

__all__ = ["CHROMIUM", "needs_chromium"]

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_PLAYWRIGHTS = ("chromium-*/chrome-linux*/chrome", "chromium-*/chrome-mac*/*.app/Contents/MacOS/*")


def _found() -> str | None:
    """The path of a browser; an empty variable stands for none."""
    if "CHROMIUM" in os.environ:
        return os.environ["CHROMIUM"] or None
    installed = next(filter(None, map(shutil.which, _NAMES)), None)
    if installed is not None:
        return installed
    places = [
        Path(place)
        for place in (
            os.environ.get("PLAYWRIGHT_BROWSERS_PATH"),
            "~/.cache/ms-playwright",
            "~/Library/Caches/ms-playwright",
        )
        if place
    ]
    own = [path for place in places for pattern in _PLAYWRIGHTS for path in place.expanduser().glob(pattern)]
    return str(max(own)) if own else None


CHROMIUM = _found()
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None,
    reason="there is no Chromium here: install Debian's package chromium, or run `playwright install chromium`, "
    "or set CHROMIUM to a browser's path",
)
