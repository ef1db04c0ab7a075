"""Where the tests find a Chromium: the variable CHROMIUM, else the PATH; Debian's package is `chromium`."""

import os
import shutil

import pytest

__all__ = ["CHROMIUM", "drives_chromium", "needs_chromium"]

_NAMES = ("chromium", "chromium-browser", "google-chrome")

CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
drives_chromium = pytest.mark.skipif(
    "CHROMIUM" not in os.environ, reason="set CHROMIUM to a browser's path to run the tests that Playwright drives"
)
"""They take long, and are not proven stable where other work has the processors: they run where they are asked for."""
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
