"""The error tree: every error that Halt400 raises on purpose, each with a stable code and what to do next.

::

    Halt400Error
    ├── SettingError          a setting is missing or wrong
    ├── BrokerUnavailable     Kafka does not answer
    ├── PublishError          an event could not be handed to Kafka
    ├── TopicMismatch         a topic on the cluster differs from its declaration
    ├── JobQuarantined        the gate says that this request must not be sent
    ├── PreflightFailed       a request was stopped before sending: it would be refused
    ├── InvalidRecord         bytes that are no record of ours
    ├── QueryError            the HTTP API does not answer, or answers with a problem
    ├── InputError            a file that cannot be read as recorded exchanges
    ├── LocalServiceError     the local Kafka or S3 server cannot be installed or started
    └── ArchiveError          evidence could not be written or read back
"""

from halt400.records import Command, Diagnosis

__all__ = [
    "ArchiveError",
    "BrokerUnavailable",
    "Halt400Error",
    "InputError",
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
    """The root of the tree.

    Parameters
    ----------
    message
        What happened, naming the thing and its value.
    mend
        What the operator does next, one sentence.
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
    """An event could not be handed to Kafka."""

    code = "publish_error"


class TopicMismatch(Halt400Error):
    """A topic on the cluster differs from its declaration."""

    code = "topic_mismatch"


class JobQuarantined(Halt400Error):
    """The gate says that this request must not be sent; `command` is what halts it."""

    code = "job_quarantined"

    def __init__(self, message: str, mend: str = "", command: Command | None = None) -> None:
        super().__init__(message, mend)
        self.command = command


class PreflightFailed(Halt400Error):
    """A request was stopped before sending: it would be refused.

    Parameters
    ----------
    diagnosis
        What is wrong with it; also the attribute `diagnosis`.
    """

    code = "preflight_failed"

    def __init__(self, diagnosis: Diagnosis) -> None:
        detail = diagnosis.evidence[0].detail if diagnosis.evidence else diagnosis.cause
        super().__init__(f"The request was not sent ({diagnosis.cause}). {detail}", diagnosis.remedy)
        self.diagnosis = diagnosis


class InvalidRecord(Halt400Error):
    """Bytes that are no record of ours."""

    code = "invalid_record"


class QueryError(Halt400Error):
    """The HTTP API does not answer, or answers with a problem."""

    code = "query_error"


class InputError(Halt400Error):
    """A file that cannot be read as recorded exchanges."""

    code = "input_error"


class LocalServiceError(Halt400Error):
    """The local Kafka or S3 server cannot be installed or started."""

    code = "local_service_error"


class ArchiveError(Halt400Error):
    """Evidence could not be written or read back."""

    code = "archive_error"
