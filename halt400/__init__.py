"""Halt400 for scrapers: publish every response, ask the gate before every request.

It needs neither Faust nor boto3; the service is in the package `streams`. Each name is loaded when it is first used,
so that ``import halt400`` takes a few milliseconds.
"""

from importlib import import_module

TYPE_CHECKING = False  # importing it from typing would take as long as all the rest
if TYPE_CHECKING:
    from halt400.client_objects import diagnose
    from halt400.errors import (
        ArchiveError,
        BrokerUnavailable,
        Halt400Error,
        InputError,
        InvalidEvent,
        InvalidRecord,
        JobQuarantined,
        LocalServiceError,
        PreflightFailed,
        PublishError,
        QueryError,
        SettingError,
        TopicMismatch,
    )
    from halt400.events import response_event, target_of
    from halt400.gate import Gate
    from halt400.guard import BodyCapture, Guard, GuardedRequest, GuardStats, LocalBreaker, RequestGuard, SyncGuard
    from halt400.kafka.connection import KafkaConnection, Plaintext, SaslPlaintext, SaslTls, SaslToken, Tls
    from halt400.kafka.follower import Changes, Follower
    from halt400.proxies import Lease, ProxyPool, Released
    from halt400.publisher import Compression, Publisher, PublisherStats
    from halt400.publisher.sampling import HeaderSampler
    from halt400.rates import RateClient
    from halt400.records import Command, Offence, Operation, ResponseEvent, Scope
    from halt400.sync import SyncGate, SyncPublisher

__all__ = [
    "ArchiveError",
    "BodyCapture",
    "BrokerUnavailable",
    "Changes",
    "Command",
    "Compression",
    "Follower",
    "Gate",
    "Guard",
    "GuardStats",
    "GuardedRequest",
    "Halt400Error",
    "HeaderSampler",
    "InputError",
    "InvalidEvent",
    "InvalidRecord",
    "JobQuarantined",
    "KafkaConnection",
    "Lease",
    "LocalBreaker",
    "LocalServiceError",
    "Offence",
    "Operation",
    "Plaintext",
    "PreflightFailed",
    "ProxyPool",
    "PublishError",
    "Publisher",
    "PublisherStats",
    "QueryError",
    "RateClient",
    "Released",
    "RequestGuard",
    "ResponseEvent",
    "SaslPlaintext",
    "SaslTls",
    "SaslToken",
    "Scope",
    "SettingError",
    "SyncGate",
    "SyncGuard",
    "SyncPublisher",
    "Tls",
    "TopicMismatch",
    "diagnose",
    "response_event",
    "target_of",
]

_MODULES = {
    "client_objects": ("diagnose",),
    "errors": (
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
    ),
    "events": ("response_event", "target_of"),
    "kafka.follower": ("Changes", "Follower"),
    "gate": ("Gate",),
    "guard": (
        "BodyCapture",
        "Guard",
        "GuardStats",
        "GuardedRequest",
        "LocalBreaker",
        "RequestGuard",
        "SyncGuard",
    ),
    "kafka.connection": ("KafkaConnection", "Plaintext", "SaslPlaintext", "SaslTls", "SaslToken", "Tls"),
    "proxies": ("Lease", "ProxyPool", "Released"),
    "publisher": ("Compression", "Publisher", "PublisherStats"),
    "publisher.sampling": ("HeaderSampler",),
    "rates": ("RateClient",),
    "records": ("Command", "Offence", "Operation", "ResponseEvent", "Scope"),
    "sync": ("SyncGate", "SyncPublisher"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{module}"), name)
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
