"""The script for ``mitmdump -s``."""

from halt400.integrations.mitmproxy import addons

__all__ = ["addons"]
