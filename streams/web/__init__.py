"""The HTTP API: what is known of every target and every quarantine, answered by any process from its own memory."""

from streams.web.api import build_api
from streams.web.read_model import ReadModel
from streams.web.server import ApiServer

__all__ = ["ApiServer", "ReadModel", "build_api"]
