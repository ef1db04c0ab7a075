"""From a recorded exchange to a response event: its id, its time, its job and its target."""

from hashlib import blake2b
from typing import Any

import msgspec

from halt400.errors import InvalidRecord
from halt400.events import response_event, target_of
from halt400.records import ResponseEvent

__all__ = ["Assembly", "shortened"]

LONGEST_NAME = 255

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ResponseEvent).decode


class Assembly:
    """Makes the events of one file.

    Parameters
    ----------
    label
        Name of the file.
    modified_ms
        When the file was last written. An exchange without a time is taken to have come one millisecond after the one
        before it, the first at `modified_ms`.
    target, job_id
        What the caller says of every exchange; goes before what the file says.
    """

    def __init__(self, label: str, modified_ms: int, target: str | None = None, job_id: str | None = None) -> None:
        self.label, self.target, self.job_id = label, target, job_id
        self._previous_ms = modified_ms - 1
        self.untimed = 0

    def event(
        self,
        number: int,
        content: bytes,
        *,
        job_id: str,
        time_ms: int | None = None,
        target: str | None = None,
        **exchange: Any,
    ) -> ResponseEvent:
        """Make the event of one exchange.

        Parameters
        ----------
        number, content
            Line (or entry) number and bytes, which together with the target and the job make the event's id.
        job_id, target
            What the file says; `target` is the URL's host and port where absent.
        exchange
            Further arguments of `halt400.events.response_event`.

        Raises
        ------
        InvalidRecord
            The exchange makes no valid event; the message says why.
        """
        job_id = shortened(self.job_id or job_id)
        target = shortened(self.target or target or target_of(exchange["url"]))
        if time_ms is None:
            time_ms = self._previous_ms + 1
            self.untimed += 1
        event = response_event(
            **exchange,
            job_id=job_id,
            target=target,
            time_ms=time_ms,
            event_id=_event_id(number, content, target, job_id),
        )
        return self._checked(event)

    def own_event(self, number: int, line: bytes) -> ResponseEvent:
        """Take an event of ours as it is; where the caller names its target or job it gets an id of its own.

        Raises
        ------
        InvalidRecord
            The line is no event.
        """
        try:
            event = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidRecord(f"no ResponseEvent: {error}") from error
        if self.target is not None or self.job_id is not None:
            target, job_id = shortened(self.target or event.target), shortened(self.job_id or event.job_id)
            event = msgspec.structs.replace(
                event, target=target, job_id=job_id, id=_event_id(number, line, target, job_id)
            )
        return self._checked(event)

    def _checked(self, event: ResponseEvent) -> ResponseEvent:
        target = event.target
        if "/" in target or target != target.strip() or not target.isprintable():
            raise InvalidRecord(f"target {target!r}: no slash, control character or outer space")
        try:
            checked = _decode(_encode(event))
        except msgspec.ValidationError as error:
            raise InvalidRecord(str(error)) from error
        except UnicodeEncodeError as error:
            raise InvalidRecord(f"not expressible in UTF-8: {error.reason}") from error
        self._previous_ms = checked.time
        return checked


def shortened(name: str) -> str:
    """Fit a job or target name into 255 characters; the end of a longer one gives way to a digest of the whole."""
    if len(name) <= LONGEST_NAME:
        return name
    digest = blake2b(name.encode(errors="replace"), digest_size=8).hexdigest()
    return f"{name[: LONGEST_NAME - len(digest) - 1]}~{digest}"


def _event_id(number: int, content: bytes, target: str, job_id: str) -> str:
    identity = blake2b(f"{number}\n{target}\n{job_id}\n".encode(errors="replace"), digest_size=16)
    identity.update(content)
    return identity.hexdigest()
