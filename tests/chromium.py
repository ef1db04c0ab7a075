"""Where the tests find a Chromium: the variable CHROMIUM, else the PATH; Debian's package is `chromium`."""

import os
import shutil

import pytest

__all__ = ["CHROMIUM", "needs_chromium"]

_NAMES = ("chromium", "chromium-browser", "google-chrome")

CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
