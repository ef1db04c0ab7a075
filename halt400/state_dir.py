"""The directory for state of this machine."""

import os
from pathlib import Path

__all__ = ["state_dir"]


def state_dir() -> Path:
    """``HALT400_STATE_DIR``, or ``halt400`` in the XDG state directory (~/.local/state)."""
    chosen = os.environ.get("HALT400_STATE_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state").absolute() / "halt400"
