"""The Faust app that writes nothing to disk, and starts sooner."""

from typing import Any

import faust
from faust.utils import venusian

__all__ = ["DisklessApp"]


class DisklessApp(faust.App):
    """A Faust app whose tables are in memory, and whose agents are not looked for."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        # Faust notes where each agent and task was defined, for an autodiscovery that is not used here: it looks
        # through all loaded modules, which costs a start a tenth of a second or two of processor time.
        venusian.attach = _note_nothing
        super().__init__(*arguments, **options)

    def _create_directories(self) -> None:
        """Do nothing: Faust would make directories for its tables' stores, and fail where it may not."""


def _note_nothing(*_: Any, **__: Any) -> None:
    pass
