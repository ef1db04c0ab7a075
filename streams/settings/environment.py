"""The settings: one frozen tree, read once from the environment and passed down.

Every setting is an environment variable: ``HALT400_<SECTION>_<NAME>``, such as ``HALT400_KAFKA_BOOTSTRAP_SERVERS``. A
secret can be given as a file instead, by the same name with ``_FILE`` behind it.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from halt400.errors import SettingError
from streams.settings.kafka import KafkaSettings
from streams.settings.section import Section

__all__ = [
    "ApiSettings",
    "ArchiveSettings",
    "ConfigSettings",
    "DetectionSettings",
    "KafkaSettings",
    "LogSettings",
    "MetricsSettings",
    "Settings",
    "TracesSettings",
    "WorkerSettings",
    "load_settings",
]

PREFIX = "HALT400_"
DEFAULT_CONFIG_PATH = Path("halt400.toml")


class DetectionSettings(Section):
    """What counts as news and how long a quarantine holds."""

    skew_s: float = Field(
        30.0, ge=0, description="An event this far ahead of its Kafka timestamp is placed by the latter."
    )
    old_news_s: float = Field(
        900.0,
        ge=0,
        description="A 400 older than this when read is archived and opens nothing, unless the policies say otherwise.",
    )
    hold_s: float = Field(
        900.0, ge=1, description="A quarantine holds this long before its probe, unless the policies say otherwise."
    )


class ArchiveSettings(Section):
    """Where the evidence goes."""

    uri: str = Field(
        default_factory=lambda: (Path.cwd() / "data" / "archive").as_uri(),
        pattern=r"^(file|s3)://",
        description="Directory (file:///var/lib/halt400) or bucket and prefix (s3://bucket/prefix).",
        json_schema_extra={"default_text": "data/archive in the working directory"},
    )
    endpoint_url: str | None = Field(None, description="S3 endpoint where it is not AWS's own.")
    region: str | None = Field(None, description="S3 region; boto3's own search where unset.")
    access_key_id: str | None = Field(None, description="S3 access key; boto3's own search where unset.")
    secret_access_key: SecretStr | None = Field(None, description="The access key's secret.")
    server_side_encryption: Literal["AES256", "aws:kms"] | None = Field(
        None, description="S3 encryption at rest; the bucket's own default where unset."
    )
    kms_key_id: str | None = Field(None, description="Key for aws:kms; the account's default key where unset.")
    parallel_uploads: int = Field(256, ge=1, le=1024, description="Uploads under way at once.")
    storm_keep: int = Field(
        20,
        ge=0,
        description="Of one signature on one target and day this many 400s are kept, then one in 2, 4, 8 and so on; "
        "a manifest counts all of them. 0 keeps every one.",
    )
    manifest_interval_s: float = Field(
        15.0, gt=0, description="Manifests are written at most this often; what they count is committed no earlier."
    )
    redaction_key: SecretStr | None = Field(
        None,
        min_length=16,
        description="Key of the tokens that stand for redacted secrets; the same for every worker of an installation. "
        "Where unset, one is made once, in redaction.key in HALT400_STATE_DIR (~/.local/state/halt400), mode 0600.",
    )


class ApiSettings(Section):
    """The HTTP API for queries."""

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for all of this machine's.")
    port: int = Field(8400, ge=0, le=65535, description="0 takes any free port.")
    token: SecretStr | None = Field(
        None,
        description="Token that the commands of this machine send; a server accepts it too, for reading, unless "
        "`HALT400_API_TOKENS` names it.",
    )
    tokens: SecretStr | None = Field(
        None,
        description="Who may use the API: `NAME:read|operate:SHA256` each, separated by commas or lines, as "
        "`halt400 api token add` prints them. Without any, loopback needs none, and on another address the server does "
        "not start.",
    )
    session_key: SecretStr | None = Field(
        None,
        min_length=32,
        description="Signs the sessions of the page; the same for every process of an installation. Where unset, "
        "sessions hold in one process until it ends.",
    )
    allowed_hosts: str = Field(
        "", description="Host names by which the server may be asked, comma-separated; on loopback besides localhost."
    )
    proxy_user_header: str | None = Field(
        None,
        description="Header in which a trusted proxy names the user that it has signed in (OIDC), such as "
        "X-Auth-Request-Email; the proxy must remove what clients send in it.",
    )
    proxy_addresses: str = Field(
        "127.0.0.1,::1",
        description="Addresses or networks of that proxy, comma-separated; others' headers are ignored.",
    )
    proxy_operators: str = Field(
        "", description="Users of the proxy who may operate, comma-separated, `*` for all; the others may read."
    )
    requests_per_s: float = Field(500.0, gt=0, description="Requests of one client a second; twice as many at once.")
    changes_per_s: float = Field(2.0, gt=0, description="Changes of one client a second; ten times as many at once.")
    listeners: int = Field(1500, ge=1, description="Most listeners of the event stream at once.")
    enabled: bool = Field(True, description="Whether the worker serves the API itself.")


class MetricsSettings(Section):
    """Metrics for Prometheus."""

    port: int | None = Field(
        None,
        ge=0,
        le=65534,
        description="Port of /metrics of the detect process; the follow-up process takes the next, 0 any free port.",
    )
    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for all of this machine's.")
    targets: int = Field(
        500, ge=0, description="So many targets of a worker have series of their own: those with the latest 400s."
    )


class TracesSettings(Section):
    """Traces by OpenTelemetry, of 400s and what follows from them; see docs/traces.md."""

    enabled: bool = Field(
        False,
        description="Whether they are made; the extra `otel` and OpenTelemetry's own variables, such as "
        "OTEL_EXPORTER_OTLP_ENDPOINT, belong to it.",
    )


class ConfigSettings(Section):
    """The file with what does not fit into a variable: policies, routes and sinks of alerts, redaction rules."""

    path: Path | None = Field(
        None, description="The file; halt400.toml in the working directory, if it is there, where unset."
    )

    @property
    def found(self) -> Path | None:
        """The file to read, None where there is none."""
        return self.path or (DEFAULT_CONFIG_PATH if DEFAULT_CONFIG_PATH.is_file() else None)


class LogSettings(Section):
    """The log of the worker and of `halt400 api`, on standard error."""

    format: Literal["text", "json"] = Field(
        "text", description="Lines for people, or one JSON object a line; HALT400_WORKER_LOG_LEVEL says what is logged."
    )


class WorkerSettings(Section):
    """The engine."""

    processes: int | None = Field(
        None,
        ge=1,
        description="Detect processes of one worker. Where unset: one for each core, at most one for each partition "
        "and for each 512 MiB of memory; a container's limits count.",
    )
    flush_interval_s: float = Field(1.0, gt=0, description="Changed rows go to the changelog at most this often.")
    commit_interval_s: float = Field(1.0, gt=0, description="Offsets are committed this often.")
    poll_records: int = Field(8000, ge=1, description="Records of one poll at the most.")
    native: bool = Field(
        True,
        description="Whether the native extension, where it is built, counts the commonest events. What follows from "
        "them is the same without it, at more processor time.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="What is logged, to stderr.")
    stop_timeout_s: float = Field(
        30.0,
        gt=0,
        description="From the first SIGTERM or Ctrl-C to the end at the latest; from a failure, 10 s at the most.",
    )
    instance_id: str | None = Field(
        None,
        description="Static group membership: a stable name for this worker. After a failure it keeps its partitions "
        "while it is away for less than HALT400_KAFKA_SESSION_TIMEOUT_S; one that is stopped gives them up at once.",
    )


class _Environment(EnvSettingsSource):
    """The environment, less the variables that name files."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name: value for name, value in super()._load_env_vars().items() if not name.endswith("_file")}


class _SecretFiles(PydanticBaseSettingsSource):
    """Read ``HALT400_SECTION_NAME_FILE``: the setting's value is that file's content, less the closing newline."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for variable, path in os.environ.items():
            if variable.startswith(PREFIX) and variable.endswith("_FILE"):
                section, _, name = variable[len(PREFIX) : -len("_FILE")].lower().partition("_")
                try:
                    value = Path(path).read_text().rstrip("\n")
                except OSError as error:
                    raise SettingError(
                        f"{variable}={path}: cannot be read ({error.strerror}).", "Name a file that exists."
                    ) from error
                found.setdefault(section, {})[name] = value
        return found


class Settings(BaseSettings):
    """The whole tree; see `load_settings`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="_", env_nested_max_split=1, frozen=True, extra="forbid"
    )

    kafka: KafkaSettings = Field(default_factory=lambda: KafkaSettings())
    detection: DetectionSettings = Field(default_factory=lambda: DetectionSettings())
    archive: ArchiveSettings = Field(default_factory=lambda: ArchiveSettings())
    api: ApiSettings = Field(default_factory=lambda: ApiSettings())
    metrics: MetricsSettings = Field(default_factory=lambda: MetricsSettings())
    traces: TracesSettings = Field(default_factory=lambda: TracesSettings())
    worker: WorkerSettings = Field(default_factory=lambda: WorkerSettings())
    log: LogSettings = Field(default_factory=lambda: LogSettings())
    config: ConfigSettings = Field(default_factory=lambda: ConfigSettings())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment, then the files that it names."""
        return init_settings, _Environment(settings_cls), _SecretFiles(settings_cls)


def load_settings(**sections: dict[str, Any]) -> Settings:
    """Read the settings from the environment; what is given here goes before it.

    Raises
    ------
    SettingError
        A setting is wrong or unknown; the message has its variable, its value and what is expected.
    """
    _refuse_unknown()
    try:
        return Settings(**sections)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        variable = PREFIX + "_".join(str(part) for part in first["loc"]).upper()
        reason = first["msg"].removeprefix("Value error, ")
        if isinstance(first["input"], dict):
            # What is wrong with a section as a whole; its values may hold secrets.
            raise SettingError(f"{variable}_*: {reason}.", "Set what is missing, or unset what asks for it.") from None
        secret = any(word in variable for word in ("PASSWORD", "SECRET", "TOKEN", "KEY"))
        value = "(secret)" if secret else repr(first["input"])
        raise SettingError(f"{variable}={value}: {reason}.", "Correct it or unset it.") from None


def _refuse_unknown() -> None:
    known = {
        f"{PREFIX}{section}_{name}".upper()
        for section, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        for name in field.annotation.model_fields
    }
    sections = tuple(f"{PREFIX}{section}_".upper() for section in Settings.model_fields)
    for variable in os.environ:
        if variable.startswith(sections) and variable.removesuffix("_FILE") not in known:
            raise SettingError(f"{variable}: there is no such setting.", "`halt400 settings` lists them all.")
