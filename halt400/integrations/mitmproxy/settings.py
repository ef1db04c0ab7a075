"""The options of the addon, as mitmproxy keeps them."""

from dataclasses import replace
from typing import Any, NamedTuple, Self

from halt400.guard import SyncGuard
from halt400.kafka.connection import KafkaConnection

__all__ = ["OPTIONS", "Halt400Options"]

OPTIONS: tuple[tuple[str, type, Any, str], ...] = (
    ("job_id", str, "", "The scraping job, which is what a quarantine halts."),
    (
        "job_from_proxy_user",
        bool,
        False,
        "Take the job from the user of the client's proxy URL: http://JOB@proxy:8080.",
    ),
    ("kafka", str, "", "Kafka's addresses, host:port,host:port; else the variables HALT400_KAFKA_*."),
    ("target", str, "", "One name for everything that is asked; else host and port of each URL."),
    ("release", str, "", "The scraper's version."),
    ("run_id", str, "", "The run of the job."),
    ("worker", str, "", "The machine."),
    ("region", str, "", "Where it runs."),
    ("preflight", str, "", "warn logs a request that will be refused before it is sent, block refuses it."),
    ("fail_open", bool, True, "Whether requests pass while nothing fresh is known of quarantines."),
    ("local_hold", bool, True, "The circuit breaker of this proxy, for while Kafka is away."),
    ("refusal_status", int, 403, "The status of the answer to a request that may not be sent."),
)
"""Name without the prefix ``halt400_``, type, default, help."""


class Halt400Options(NamedTuple):
    """The options by name; an empty text is none."""

    job_id: str
    job_from_proxy_user: bool
    kafka: str
    target: str
    release: str
    run_id: str
    worker: str
    region: str
    preflight: str
    fail_open: bool
    local_hold: bool
    refusal_status: int

    @classmethod
    def read(cls, options: Any) -> Self:
        """Read them from ``ctx.options``.

        Raises
        ------
        ValueError
            One is missing or wrong; the message names it.
        """
        found = cls(*(getattr(options, f"halt400_{name}") for name, *_ in OPTIONS))
        if not found.job_id:
            raise ValueError("halt400_job_id is not set: --set halt400_job_id=extract-099")
        if found.preflight not in ("", "warn", "block"):
            raise ValueError(f"halt400_preflight={found.preflight}: set warn or block, or leave it out")
        if not 400 <= found.refusal_status <= 599:
            raise ValueError(f"halt400_refusal_status={found.refusal_status}: a status from 400 to 599")
        return found

    def new_guard(self, client_version: str) -> SyncGuard:
        """Make the guard of the job; it does not wait for Kafka."""
        kafka = KafkaConnection.from_environment()
        return SyncGuard(
            replace(kafka, servers=self.kafka) if self.kafka else kafka,
            job_id=self.job_id,
            fail_open=self.fail_open,
            catch_up_s=0,
            local_hold="default" if self.local_hold else None,
            **self.guard_options(client_version),
        )

    def guard_options(self, client_version: str) -> dict[str, Any]:
        """What guards of other jobs of the same proxy are made with, too."""
        named = {name: getattr(self, name) or None for name in ("target", "release", "run_id", "worker", "region")}
        return {"client": "mitmproxy", "client_version": client_version, "preflight": self.preflight or None, **named}
