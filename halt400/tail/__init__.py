"""Following logs: `halt400 tail`, for teams that cannot touch the code that sends."""

from halt400.tail.state_file import StateFile, default_state_path
from halt400.tail.tail import Tail, TailStats

__all__ = ["StateFile", "Tail", "TailStats", "default_state_path"]
