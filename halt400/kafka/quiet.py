"""What aiokafka logs of our own clients is dropped; the application's own clients still log.

One line of ours says the same. A client's tasks inherit the context in which it was made, so a context variable tells
whose they are.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["quiet", "quiet_task"]

_is_ours: ContextVar[bool] = ContextVar("halt400_kafka_client", default=False)


class _NotOurs(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """Drop what our clients log, unless somebody looks for it at level DEBUG."""
        # Scrapy's root logger has no level, and its handler has one: that asks for nothing.
        return not _is_ours.get() or 0 < logging.getLogger(record.name).getEffectiveLevel() <= logging.DEBUG


_filter = _NotOurs()


def _install() -> None:
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and (name == "aiokafka" or name.startswith("aiokafka.")):
            logger.addFilter(_filter)


@contextmanager
def quiet() -> Iterator[None]:
    """Clients that are started, used or closed in the block are ours."""
    _install()
    token = _is_ours.set(True)
    try:
        yield
    finally:
        _is_ours.reset(token)


def quiet_task() -> None:
    """Clients of this task are ours, to its end."""
    _install()
    _is_ours.set(True)
