"""The settings of each kind of sink, ``[alerts.sink.<name>]``, and how it is made; secrets come by variable or file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from streams.alerts.delivery import Sink
from streams.alerts.sinks import AlertmanagerSink, EmailSink, PagerDutySink, SlackSink, StdoutSink, WebhookSink
from streams.alerts.sinks.alertmanager import RENEWAL_S
from streams.alerts.sinks.pagerduty import EVENTS_URL
from streams.toml_file import TomlFile

__all__ = ["SINK_KINDS", "SinkSettings", "address_of", "make_sink", "renewal_s"]

Seconds = Annotated[float, Meta(gt=0, le=300)]
MIN_SECRET = 16


class _SinkSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    timeout_s: Seconds = 10.0


class PagerDutySettings(_SinkSettings, tag="pagerduty", kw_only=True, frozen=True):
    """An Events API v2 integration; `url` for the EU region or a proxy."""

    routing_key_env: str | None = None
    routing_key_file: str | None = None
    url: str = EVENTS_URL


class SlackSettings(_SinkSettings, tag="slack", kw_only=True, frozen=True):
    """An incoming webhook; its address is the secret."""

    url_env: str | None = None
    url_file: str | None = None


class AlertmanagerSettings(_SinkSettings, tag="alertmanager", kw_only=True, frozen=True):
    """The root of an Alertmanager, and a bearer token where it needs one."""

    url: str
    token_env: str | None = None
    token_file: str | None = None


class WebhookSettings(_SinkSettings, tag="webhook", kw_only=True, frozen=True):
    """A receiver of your own, and the secret of the signature."""

    url: str
    secret_env: str | None = None
    secret_file: str | None = None


class EmailSettings(_SinkSettings, tag="email", kw_only=True, frozen=True):
    """A mail server, a sender and recipients."""

    host: Annotated[str, Meta(min_length=1)]
    sender: Annotated[str, Meta(pattern=r"^[^\s@]+@[^\s@]+$")]
    recipients: Annotated[list[Annotated[str, Meta(pattern=r"^[^\s@,]+@[^\s@,]+$")]], Meta(min_length=1)]
    port: Annotated[int, Meta(ge=1, le=65535)] = 587
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    username: str | None = None
    password_env: str | None = None
    password_file: str | None = None


class StdoutSettings(_SinkSettings, tag="stdout", kw_only=True, frozen=True):
    """Standard output."""

    format: Literal["text", "json"] = "text"


SinkSettings = (
    PagerDutySettings | SlackSettings | AlertmanagerSettings | WebhookSettings | EmailSettings | StdoutSettings
)

SINK_KINDS = tuple(sorted(str(settings.__struct_config__.tag) for settings in get_args(SinkSettings)))
"""What `kind` may be."""


def renewal_s(settings: SinkSettings) -> float | None:
    """How often a sink needs an update of what is open (seconds), None where once is enough."""
    return RENEWAL_S if isinstance(settings, AlertmanagerSettings) else None


def make_sink(name: str, settings: SinkSettings, source: TomlFile, environ: Mapping[str, str]) -> Sink:
    """Make a sink with its secrets.

    Raises
    ------
    SettingError
        When a secret is missing, cannot be read, or is malformed; the error never shows it.
    """
    place = ("alerts", "sink", name)
    secret = _Secrets(settings, source, environ, place)
    timeout_s = settings.timeout_s
    match settings:
        case PagerDutySettings():
            key = secret.required("routing_key")
            if len(key) != 32 or not key.isalnum():
                raise source.error(
                    [*place, secret.key("routing_key")],
                    f"a routing key has 32 letters and digits, this has {len(key)} characters",
                    "Copy the Integration Key of an Events API v2 integration.",
                )
            _check_url(settings.url, source, [*place, "url"])
            return PagerDutySink(name, key, url=settings.url, timeout_s=timeout_s)
        case SlackSettings():
            url = secret.required("url")
            _check_url(url, source, [*place, secret.key("url")], secret=True)
            return SlackSink(name, url, timeout_s=timeout_s)
        case AlertmanagerSettings():
            _check_url(settings.url, source, [*place, "url"])
            return AlertmanagerSink(name, settings.url, token=secret.optional("token"), timeout_s=timeout_s)
        case WebhookSettings():
            _check_url(settings.url, source, [*place, "url"])
            signing = secret.required("secret")
            if len(signing) < MIN_SECRET:
                raise source.error(
                    [*place, secret.key("secret")],
                    f"the secret has {len(signing)} characters, at least {MIN_SECRET} are needed",
                    "Make one with `openssl rand -hex 32`.",
                )
            return WebhookSink(name, settings.url, signing, timeout_s=timeout_s)
        case EmailSettings():
            password = secret.optional("password")
            if (settings.username is None) != (password is None):
                raise source.error(place, "username and password belong together", "Set both, or neither.")
            if password is not None and settings.tls == "none":
                raise source.error([*place, "tls"], "a password would go in the clear", "Use starttls or implicit.")
            return EmailSink(
                name,
                settings.host,
                settings.port,
                settings.sender,
                tuple(settings.recipients),
                tls=settings.tls,
                username=settings.username,
                password=password,
                timeout_s=timeout_s,
            )
        case StdoutSettings():
            return StdoutSink(name, as_json=settings.format == "json")


def address_of(
    name: str,
    settings: PagerDutySettings | SlackSettings | AlertmanagerSettings | WebhookSettings,
    source: TomlFile,
    environ: Mapping[str, str],
) -> str:
    """The address that a sink posts to. That of Slack is a secret: show no more than its host.

    Raises
    ------
    SettingError
        When the secret is missing.
    """
    if isinstance(settings, SlackSettings):
        return _Secrets(settings, source, environ, ("alerts", "sink", name)).required("url")
    return settings.url


class _Secrets:
    """Finds ``<name>_env`` or ``<name>_file`` of one sink."""

    def __init__(
        self, settings: SinkSettings, source: TomlFile, environ: Mapping[str, str], place: Sequence[str]
    ) -> None:
        self._values: dict[str, Any] = msgspec.structs.asdict(settings)
        self._source, self._environ, self._place = source, environ, place

    def key(self, name: str) -> str:
        """The key that names the secret."""
        return f"{name}_env" if self._values[f"{name}_env"] is not None else f"{name}_file"

    def required(self, name: str) -> str:
        """The secret."""
        value = self.optional(name)
        if value is None:
            raise self._source.error(
                self._place, f"{name} is missing", f"Set {name}_env to a variable's name, or {name}_file to a path."
            )
        return value

    def optional(self, name: str) -> str | None:
        """The secret, None where neither key is set."""
        variable, path = self._values[f"{name}_env"], self._values[f"{name}_file"]
        if variable is not None and path is not None:
            raise self._source.error([*self._place, f"{name}_file"], f"{name} is given twice", "Keep one of the two.")
        if variable is not None:
            value = self._environ.get(variable, "")
            if not value:
                raise self._source.error(
                    [*self._place, f"{name}_env"], "no such variable is set", f"Set {variable}.", value=variable
                )
            return value
        if path is None:
            return None
        try:
            value = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise self._source.error(
                [*self._place, f"{name}_file"], "cannot be read", "Name a file that exists, in UTF-8.", value=path
            ) from error
        if not value:
            raise self._source.error([*self._place, f"{name}_file"], "is empty", "Put the secret into it.", value=path)
        return value


def _check_url(url: str, source: TomlFile, place: Sequence[str], *, secret: bool = False) -> None:
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole or not url.isprintable() or " " in url:
        raise source.error(
            place, "is no http or https address", "Give the whole address.", value=None if secret else url
        )
