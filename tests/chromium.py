"""Where the tests find a Chromium: the variable CHROMIUM, else the PATH, else where Playwright installs its own.

A headless shell is Chromium without the windows around a page, which take 40% of its processor time: tests that need
no more than pages use it where there is one.
"""

import os
import shutil
from pathlib import Path

import pytest

__all__ = ["CHROMIUM", "WHOLE_CHROMIUM", "needs_chromium", "needs_whole_chromium"]

_SHELL = ("chromium-headless-shell",)
_WHOLE = ("chromium", "chromium-browser", "google-chrome")
_PLAYWRIGHTS_SHELL = ("chromium_headless_shell-*/chrome-*/*headless*shell",)
_PLAYWRIGHTS_WHOLE = ("chromium-*/chrome-linux*/chrome", "chromium-*/chrome-mac*/*.app/Contents/MacOS/*")


def _found(names: tuple[str, ...], patterns: tuple[str, ...]) -> str | None:
    """The path of a browser; an empty variable stands for none."""
    if "CHROMIUM" in os.environ:
        return os.environ["CHROMIUM"] or None
    installed = next(filter(None, map(shutil.which, names)), None)
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
    own = [path for place in places for pattern in patterns for path in place.expanduser().glob(pattern)]
    return str(max(own)) if own else None


WHOLE_CHROMIUM = _found(_WHOLE, _PLAYWRIGHTS_WHOLE)
CHROMIUM = _found(_SHELL, _PLAYWRIGHTS_SHELL) or WHOLE_CHROMIUM

_MEND = "or run `playwright install chromium`, or set CHROMIUM to a browser's path"
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason=f"there is no Chromium here: install Debian's package chromium-headless-shell, {_MEND}"
)
needs_whole_chromium = pytest.mark.skipif(
    WHOLE_CHROMIUM is None, reason=f"there is no Chromium with devtools: install Debian's package chromium, {_MEND}"
)
