"""The beginning of a body that passes through a client, with the size and digest of all of it."""

from hashlib import sha256

from halt400.events import BODY_LIMIT_BYTES

__all__ = ["BodyCapture"]


class BodyCapture:
    """Keep the beginning of a body while its chunks pass: nobody waits for it and nothing is read twice."""

    __slots__ = ("body", "digest", "size")

    def __init__(self) -> None:
        self.body = bytearray()
        self.size = 0
        self.digest = sha256()

    @property
    def is_cut(self) -> bool:
        """Whether `body` is not all of it."""
        return self.size > len(self.body)

    def clear(self) -> None:
        """Forget it all: the body begins anew."""
        self.body.clear()
        self.size, self.digest = 0, sha256()

    def add(self, chunk: bytes) -> None:
        """Take in the next part."""
        self.size += len(chunk)
        self.digest.update(chunk)
        room = BODY_LIMIT_BYTES - len(self.body)
        if room > 0:
            self.body += chunk[:room]
