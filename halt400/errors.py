"""The errors that Halt400 raises, each with a stable code and what to do next.

::

    Halt400Error
    ├── SettingError          a setting is missing or wrong
    ├── BrokerUnavailable     Kafka does not answer
    ├── PublishError          an event could not be published
    ├── TopicMismatch         a topic on the cluster differs from its declaration
    ├── JobQuarantined        the gate refuses a request
    ├── PreflightFailed       a request was not sent, as it would get a 400
    ├── InvalidRecord         bytes that cannot be decoded as a record
    │   └── InvalidEvent      a value that no response event can carry
    ├── QueryError            the HTTP API does not answer, or answers with a problem
    ├── InputError            a file cannot be read as recorded exchanges
    ├── LocalServiceError     the local Kafka or S3 server cannot be installed or started
    └── ArchiveError          evidence could not be written or read back
"""

from halt400.records import Command, Diagnosis

__all__ = [
    "ArchiveError",
    "BrokerUnavailable",
    "Halt400Error",
    "InputError",
    "InvalidEvent",
    "InvalidRecord",
    "JobQuarantined",
    "LocalServiceError",
    "PreflightFailed",
    "PublishError",
    "QueryError",
    "SettingError",
    "TopicMismatch",
]


class Halt400Error(Exception):
    """Base class of all errors.

    Parameters
    ----------
    message
        What happened, with name and value of the thing.
    mend
        What the operator does next, in one sentence.
    """

    code = "halt400_error"

    def __init__(self, message: str, mend: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.message} {self.mend}".rstrip()


class SettingError(Halt400Error):
    """A setting is missing or wrong."""

    code = "setting_error"


class BrokerUnavailable(Halt400Error):
    """Kafka does not answer."""

    code = "broker_unavailable"


class PublishError(Halt400Error):
    """An event could not be published."""

    code = "publish_error"


class TopicMismatch(Halt400Error):
    """A topic on the cluster differs from its declaration."""

    code = "topic_mismatch"


class JobQuarantined(Halt400Error):
    """The gate refuses a request; `command` is the reason, ``None`` if it was not a command."""

    code = "job_quarantined"

    def __init__(self, message: str, mend: str = "", command: Command | None = None) -> None:
        super().__init__(message, mend)
        self.command = command


class PreflightFailed(Halt400Error):
    """A request was not sent, as it would get a 400.

    Parameters
    ----------
    diagnosis
        What is wrong with the request; also the attribute `diagnosis`.
    """

    code = "preflight_failed"

    def __init__(self, diagnosis: Diagnosis) -> None:
        detail = diagnosis.evidence[0].detail if diagnosis.evidence else diagnosis.cause
        super().__init__(f"The request was not sent ({diagnosis.cause}). {detail}", diagnosis.remedy)
        self.diagnosis = diagnosis


class InvalidRecord(Halt400Error):
    """Bytes that cannot be decoded as a record."""

    code = "invalid_record"


class InvalidEvent(InvalidRecord):
    """A value that no response event can carry.

    Parameters
    ----------
    field
        Name of the parameter; also the attribute `field`.
    value
        The value, as it is shown.
    """

    code = "invalid_event"

    def __init__(self, field: str, value: str, mend: str) -> None:
        shown = value if len(value) <= 200 else f"{value[:200]}…"
        joint = " is " if value.startswith("of type ") else ": " if value.startswith("item ") else "="
        super().__init__(f"{field}{joint}{shown} makes no event.", mend)
        self.field = field


class QueryError(Halt400Error):
    """The HTTP API does not answer, or answers with a problem."""

    code = "query_error"


class InputError(Halt400Error):
    """A file cannot be read as recorded exchanges."""

    code = "input_error"


class LocalServiceError(Halt400Error):
    """The local Kafka or S3 server cannot be installed or started."""

    code = "local_service_error"


class ArchiveError(Halt400Error):
    """Evidence could not be written or read back."""

    code = "archive_error"
