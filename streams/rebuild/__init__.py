"""Rows of targets made anew from the log of responses, where the ones on `rates` cannot be read."""

from streams.rebuild.rebuilding import RebuiltRow, rebuild

__all__ = ["RebuiltRow", "rebuild"]
