"""The HTTP API: rates of every target and the quarantines, answered by any process from its own memory."""

from streams.api.app import build_api
from streams.api.read_model import ReadModel
from streams.api.server import ApiServer

__all__ = ["ApiServer", "ReadModel", "build_api"]
