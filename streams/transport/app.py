"""The Faust app that writes nothing to disk."""

import faust

__all__ = ["DisklessApp"]


class DisklessApp(faust.App):
    """A Faust app whose tables are in memory."""

    def _create_directories(self) -> None:
        """Do nothing: Faust would make directories for its tables' stores, and fail where it may not."""
