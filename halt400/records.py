"""The records on Kafka, one versioned ``msgspec.Struct`` each.

A record is decoded and validated in one pass (``msgspec.json.decode(data, type=ResponseEvent)``), and encoded as UTF-8
JSON. Changes within a version only add fields: a reader ignores fields that it does not know. Any other change is a new
version of the topic. `schemas/` is generated from this module.

Field names follow the OpenTelemetry HTTP semantic conventions where one exists; `OTEL_ATTRIBUTES` holds the mapping.

Units: times are integers in milliseconds since the Unix epoch (UTC), durations end in ``_ms`` or ``_s``, sizes in
``_bytes`` or ``_size`` (bytes), ratios in ``_ratio`` (0-1).
"""

from typing import Annotated, Literal

from msgspec import DecodeError, Meta, Struct

__all__ = [
    "OTEL_ATTRIBUTES",
    "UNDECODABLE",
    "BadRequestFigures",
    "Blame",
    "Cause",
    "Client",
    "Command",
    "Diagnosis",
    "Evidence",
    "Fingerprints",
    "Header",
    "Offence",
    "Operation",
    "Proxy",
    "Request",
    "RequestChange",
    "Response",
    "ResponseEvent",
    "RunnerUp",
    "Savings",
    "Scope",
    "Source",
    "WindowFigures",
]

UNDECODABLE = (DecodeError, UnicodeDecodeError, RecursionError, TypeError)
"""The exceptions that the decoding of hostile bytes can raise; TypeError is that of a null value."""

OTEL_ATTRIBUTES = {
    "ResponseEvent.request.method": "http.request.method",
    "ResponseEvent.request.url": "url.full",
    "ResponseEvent.request.http_version": "network.protocol.version",
    "ResponseEvent.request.headers": "http.request.header.<key>",
    "ResponseEvent.request.body_size": "http.request.body.size",
    "ResponseEvent.response.status": "http.response.status_code",
    "ResponseEvent.response.headers": "http.response.header.<key>",
    "ResponseEvent.response.body_size": "http.response.body.size",
    "ResponseEvent.attempt": "http.request.resend_count (attempt - 1)",
    "ResponseEvent.target": "server.address",
    "ResponseEvent.client": "user_agent.name, user_agent.version",
}

Milliseconds = Annotated[int, Meta(ge=0, description="Milliseconds since the Unix epoch, UTC.")]
Name = Annotated[str, Meta(min_length=1, max_length=255)]
Status = Annotated[int, Meta(ge=100, le=599, description="HTTP status code, RFC 9110 section 15.")]
Ratio = Annotated[float, Meta(ge=0.0, le=1.0)]
Header = tuple[str, str]

Cause = Literal[
    "malformed_json",
    "malformed_xml",
    "malformed_form",
    "malformed_graphql",
    "invalid_url_encoding",
    "content_type_mismatch",
    "missing_required_header",
    "payload_too_large",
    "schema_violation",
    "protocol_violation",
    "credential_rejected",
    "expired_state",
    "rate_limited",
    "waf_block",
    "transient",
    "unknown",
]
Blame = Literal["request", "credential", "state", "target", "proxy", "waf", "transport", "nobody", "unknown"]


class Request(Struct, kw_only=True, omit_defaults=True):
    """The request as the scraper sent it.

    Only the request of a 400 must carry its body. Exactly one of `body` (text, UTF-8) and `body_base64` (any bytes)
    is set when a body is there; `body_size` and `body_sha256` describe the body as it was sent, whole.
    """

    method: Name
    url: Annotated[str, Meta(min_length=1)]
    http_version: str = "1.1"
    headers: list[Header] = []
    body: str | None = None
    body_base64: str | None = None
    body_size: Annotated[int, Meta(ge=0)] | None = None
    body_sha256: str | None = None
    body_truncated: bool = False


class Response(Struct, kw_only=True, omit_defaults=True):
    """The response as the scraper received it; `body` may be truncated, `body_size` is the whole size in bytes."""

    status: Status
    headers: list[Header] = []
    body: str | None = None
    body_base64: str | None = None
    body_size: Annotated[int, Meta(ge=0)] | None = None
    body_truncated: bool = False


class Proxy(Struct, kw_only=True, omit_defaults=True):
    """The proxy that carried the request."""

    id: Name
    pool: str | None = None


class Client(Struct, kw_only=True, omit_defaults=True):
    """The HTTP client library that sent the request."""

    name: Name
    version: str | None = None


class ResponseEvent(Struct, kw_only=True, omit_defaults=True):
    """One HTTP response that a scraper received. Topic `responses`, key = `target`.

    Several events of one partition may go as one record: a JSON array of them, without a key.

    `id` is unique per response; publishing the same event twice must repeat it. `time` is when the response was
    received. `target` names the API (usually its host); `job_id` the scraping job, which is what gets halted.
    `attempt` counts from 1: the retries of one logical request carry 2, 3, ...
    """

    version: Literal[1] = 1
    id: Name
    time: Milliseconds
    target: Name
    job_id: Name
    request: Request
    response: Response
    run_id: str | None = None
    release: str | None = None
    worker: str | None = None
    region: str | None = None
    attempt: Annotated[int, Meta(ge=1)] = 1
    proxy: Proxy | None = None
    client: Client | None = None
    duration_ms: Annotated[float, Meta(ge=0)] | None = None
    traceparent: str | None = None


class Evidence(Struct, kw_only=True, omit_defaults=True):
    """Where a defect is. `where` is one of method, url, header, body, response_header, response_body, request_line.

    `offset` and `length` count bytes from 0 within that part as it was sent; `line` and `column` count from 1,
    columns in characters. `excerpt` is redacted text around the place and `caret` the index into it (characters).
    """

    where: str
    detail: str
    name: str | None = None
    offset: int | None = None
    length: int | None = None
    line: int | None = None
    column: int | None = None
    excerpt: str | None = None
    caret: int | None = None


class RunnerUp(Struct, kw_only=True, omit_defaults=True):
    """A cause that was considered and ranked lower."""

    cause: Cause
    confidence: Ratio
    detail: str


class RequestChange(Struct, omit_defaults=True):
    """One difference of a request from good ones: what, how it is in this request, how in good ones."""

    what: str
    here: str
    usual: str


class BadRequestFigures(Struct, kw_only=True, omit_defaults=True):
    """The three figures of every diagnosis.

    `malformed_payload_ratio`: 400s / all responses of the target in the last hour, null where nothing was seen.
    `header_mismatch`: distance between the sent and the expected ordered header set, 0-1, null without a profile.
    `url_encoding_failures`: number of characters of the URL that should have been percent-encoded.
    """

    malformed_payload_ratio: Ratio | None = None
    header_mismatch: Ratio | None = None
    url_encoding_failures: int = 0


class Diagnosis(Struct, kw_only=True, omit_defaults=True):
    """What exactly is wrong with a request: one cause with its evidence and remedy, and the runners-up.

    `blame` names what is to change; it is ``nobody`` where time alone mends it. `retry_after_s` is the time to wait as
    the target states it, or the documentation of its error code. `answered_by` is who wrote the response: a server or
    an edge by its name, ``the application`` behind them, or null where the response does not tell. Servers that answer
    alike are joined by ``or``.
    """

    cause: Cause
    blame: Blame
    confidence: Ratio
    remedy: str
    evidence: list[Evidence] = []
    figures: BadRequestFigures | None = None
    runners_up: list[RunnerUp] = []
    ruled_out: list[str] = []
    changes: list[RequestChange] = []
    retry_after_s: Annotated[int, Meta(ge=1)] | None = None
    answered_by: str | None = None


class Fingerprints(Struct, kw_only=True, omit_defaults=True):
    """`request` identifies the exact request, `signature` the group of requests of the same shape (hexadecimal)."""

    request: str
    signature: str


class Source(Struct, kw_only=True, omit_defaults=True, repr_omit_defaults=True, frozen=True):
    """The Kafka record that caused this one; `index` is the place of the event in a record with several, from 0."""

    topic: str
    partition: Annotated[int, Meta(ge=0)]
    offset: Annotated[int, Meta(ge=0)]
    index: Annotated[int, Meta(ge=0)] = 0


class Scope(Struct, kw_only=True, omit_defaults=True, frozen=True):
    """What a command holds for: one request, one job on one target, or the whole target."""

    kind: Literal["request", "job", "target"]
    target: Name
    job_id: Name | None = None
    fingerprint: str | None = None

    @property
    def id(self) -> str:
        """The key on `control`, such as ``job/api.shop.example/extract-099``; a target never contains a slash."""
        if self.kind == "target":
            return f"target/{self.target}"
        return f"{self.kind}/{self.target}/{self.job_id if self.kind == 'job' else self.fingerprint}"


class WindowFigures(Struct, kw_only=True):
    """The counts of one window [start, end) of one target; `bad_request_ratio` is null where nothing was seen."""

    window_s: int
    start: Milliseconds
    end: Milliseconds
    responses: int
    bad_requests: int
    bad_request_ratio: Ratio | None


class Command(Struct, kw_only=True, omit_defaults=False):
    """The full state of one scope. Topic `control` (compacted), key = the scope's id.

    `command_id` is derived from its cause, so that the same cause after a crash gives the same id. `sequence` rises by
    one with each command of a scope. A gate halts while `state` is ``quarantined`` and `expires_at` is in the future.
    `proxy_blame` is false when the proxy goes back to its pool with its reputation untouched. `signature` is that of
    the 400 that opened it (see `Fingerprints`), null where a person did. `severity` is how people are alerted, null
    where the routes of the alerts decide. `responses_offset` and `operations_offset` are the last records of its
    partition that its issuer had applied: a replay of them changes nothing in this scope. Of a record with several
    events it had applied those up to `responses_index`, all of them where that is null.
    """

    version: Literal[1] = 1
    command_id: Name
    scope: Scope
    sequence: Annotated[int, Meta(ge=1)]
    state: Literal["quarantined", "probing", "released"]
    retry: Literal["abort"] = "abort"
    proxy: Literal["release"] = "release"
    proxy_blame: bool = False
    reason: str
    issued_by: str
    opened_at: Milliseconds
    issued_at: Milliseconds
    expires_at: Milliseconds
    source: Source | None = None
    diagnosis: Diagnosis | None = None
    windows: list[WindowFigures] = []
    archive_uri: str | None = None
    signature: str | None = None
    severity: Literal["page", "ticket"] | None = None
    responses_offset: Annotated[int, Meta(ge=0)] | None = None
    operations_offset: Annotated[int, Meta(ge=0)] | None = None
    responses_index: Annotated[int, Meta(ge=0)] | None = None


class Offence(Struct, kw_only=True, omit_defaults=True):
    """A 400 with its diagnosis and the command that it led to. Topic `offences`, key = `target`.

    `command_id` is the command that this 400 led to, or the one by which its job was quarantined already. `opens` is
    true where the command was issued for this 400: its `archive_uri` points here, so this evidence is always kept.
    """

    version: Literal[1] = 1
    target: Name
    event: ResponseEvent
    source: Source
    archive_uri: str
    seen_at: Milliseconds
    command_id: str | None = None
    opens: bool = False
    fingerprints: Fingerprints | None = None
    diagnosis: Diagnosis | None = None


class Operation(Struct, kw_only=True, omit_defaults=True):
    """What a person or a gate requests for a scope. Topic `operations`, key = `scope.target`."""

    version: Literal[1] = 1
    operation_id: Name
    time: Milliseconds
    kind: Literal["release", "extend", "quarantine", "probe", "probe_result"]
    scope: Scope
    actor: Name
    reason: str
    hold_s: Annotated[int, Meta(ge=1)] | None = None
    probe_status: Status | None = None
    probe_id: str | None = None


class Savings(Struct, kw_only=True, omit_defaults=True):
    """How many requests one gate has not sent because of one quarantine. Topic `savings` (compacted).

    Key = `gate`, `opened_at` and the scope's id, with spaces between. `opened_at` is that of the scope's commands and
    names the quarantine. `requests` is the whole count of the gate: only the latest record of a key counts.
    `request_bytes` counts method, address, headers and body of those requests that the gate was shown.
    """

    version: Literal[1] = 1
    gate: Name
    scope: Scope
    opened_at: Milliseconds
    requests: Annotated[int, Meta(ge=1)]
    time: Milliseconds
    request_bytes: Annotated[int, Meta(ge=0)] = 0
