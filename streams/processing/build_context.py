"""Makes the processing context from the settings: the worker and the dry run have the same one."""

from collections.abc import Callable

from halt400.diagnosis import Profile, diagnose
from halt400.records import Command, Diagnosis, ResponseEvent, Source
from streams import topics
from streams.archive.object_names import archive_uri, object_key
from streams.detection import Policies
from streams.processing.believed_operations import BelievedOperations
from streams.processing.context import ProcessingContext
from streams.settings import Settings

__all__ = ["build_context"]


def build_context(
    settings: Settings,
    *,
    partition_of: Callable[[bytes], int],
    latest_command: Callable[[str], Command | None],
    policies: Callable[[], Policies],
    is_granted: Callable[[str, str], bool],
) -> ProcessingContext:
    """The context of these settings; see `ProcessingContext` for the other parameters."""
    base, detection = settings.archive.uri, settings.detection

    def place(source: Source, target: str, time_ms: int) -> str:
        return archive_uri(base, object_key(source, target, time_ms))

    kafka = settings.kafka
    return ProcessingContext(
        archive_uri=place,
        partition_of=partition_of,
        latest_command=latest_command,
        policies=policies,
        is_granted=is_granted,
        diagnose=_diagnose,
        why_not_believed=BelievedOperations(kafka.connection.signing, kafka.topic(topics.OPERATIONS)).why_not,
        skew_ms=int(detection.skew_s * 1000),
    )


def _diagnose(event: ResponseEvent, profile: Profile | None, malformed_payload_ratio: float | None) -> Diagnosis:
    return diagnose(
        event.request,
        event.response,
        profile,
        malformed_payload_ratio=malformed_payload_ratio,
        release=event.release,
    )
