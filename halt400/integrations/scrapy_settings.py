"""The settings ``HALT400_*`` of a Scrapy project, with the environment behind them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, cast, get_args

from halt400.errors import SettingError
from halt400.guard import SyncGuard
from halt400.kafka.connection import KafkaConnection

if TYPE_CHECKING:
    from scrapy.settings import BaseSettings

__all__ = ["Halt400Settings", "OnQuarantine"]

OnQuarantine = Literal["close", "pause", "drop"]

_JOB_VARIABLES = ("SHUB_JOBKEY", "SCRAPY_JOB")
"""Where Zyte's Scrapy Cloud and Scrapyd tell a process its job."""


@dataclass(frozen=True)
class Halt400Settings:
    """What a crawl needs to know; see docs/sdk/scrapy.md."""

    kafka: KafkaConnection
    job_id: str | None
    on_quarantine: OnQuarantine
    options: Mapping[str, Any]

    @classmethod
    def read(cls, settings: "BaseSettings", environment: Mapping[str, str]) -> Self:
        """Read the project's settings; what is not set there is taken from variables of the same name.

        Raises
        ------
        SettingError
            A setting is wrong; the message names it.
        """
        named = {str(name): settings.get(name) for name in settings if str(name).startswith("HALT400_")}
        found = {name: value for name, value in environment.items() if name.startswith("HALT400_")}
        found |= {name: str(value) for name, value in named.items() if value is not None}
        on_quarantine = found.get("HALT400_ON_QUARANTINE", "close")
        if on_quarantine not in get_args(OnQuarantine):
            raise SettingError(
                f"HALT400_ON_QUARANTINE={on_quarantine!r}: there is no such choice.", "Set close, pause or drop."
            )
        preflight = found.get("HALT400_PREFLIGHT") or None
        if preflight not in (None, "warn", "block"):
            raise SettingError(f"HALT400_PREFLIGHT={preflight!r}: there is no such mode.", "Set warn or block.")
        options: dict[str, Any] = {
            name: found.get(f"HALT400_{name.upper()}") or None
            for name in ("run_id", "release", "worker", "region", "target")
        }
        options |= {"preflight": preflight, "fail_open": _switch(found, "HALT400_FAIL_OPEN")}
        if not _switch(found, "HALT400_LOCAL_HOLD"):
            options["local_hold"] = None
        job_id = next((environment[name] for name in _JOB_VARIABLES if environment.get(name)), None)
        return cls(
            kafka=KafkaConnection.from_environment(found),
            job_id=found.get("HALT400_JOB_ID") or job_id,
            on_quarantine=cast(OnQuarantine, on_quarantine),
            options=options,
        )

    def new_guard(self, spider: str, *, client_version: str) -> SyncGuard:
        """Make the guard of a crawl; the spider's name is its job where nothing else names it."""
        return SyncGuard(
            self.kafka, job_id=self.job_id or spider, client="scrapy", client_version=client_version, **self.options
        )


def _switch(found: Mapping[str, str], name: str) -> bool:
    value = found.get(name, "true").lower()
    if value not in ("1", "true", "yes", "on", "0", "false", "no", "off"):
        raise SettingError(f"{name}={value!r} is neither true nor false.", "Set true or false.")
    return value in ("1", "true", "yes", "on")
