"""What each field of each wire record means: the descriptions in the JSON Schemas and the OpenAPI document. Pure.

A test checks that every field of `halt400.records` has its description here, and no other.
"""

from typing import Any

from halt400.records import OTEL_ATTRIBUTES

__all__ = ["FIELDS", "describe"]

_HEADERS = "Ordered list of [name, value] as sent over the wire: order, case and repetitions are evidence."
_BASE64 = "The body in base64 (RFC 4648 section 4), where it is not UTF-8 text."
_TEXT = "The body as text, where it is UTF-8; never together with `body_base64`."

FIELDS: dict[str, dict[str, str]] = {
    "ResponseEvent": {
        "version": "Version of this record.",
        "id": "Unique per response. Publishing the same response again must repeat it.",
        "time": "When the response was received.",
        "target": "The API that answered, usually its host or host:port. It must be the record's key. "
        "No slash, no control characters, no space at either end.",
        "job_id": "The scraping job, which is what gets halted.",
        "request": "The request as it was sent.",
        "response": "The response as it was received.",
        "run_id": "This run of the job.",
        "release": "Version of the scraper's code: what changed when a job breaks after a deployment.",
        "worker": "Process or host that sent the request.",
        "region": "Region that it was sent from.",
        "attempt": "1 for the first sending; a retry of the same logical request has 2, 3, ...",
        "proxy": "The proxy that carried the request; absent without one.",
        "client": "The HTTP library that sent the request.",
        "duration_ms": "From sending the request to the end of the response, milliseconds.",
        "traceparent": "W3C Trace Context of the request.",
    },
    "Request": {
        "method": "As sent, such as POST.",
        "url": "Whole, as sent: scheme, host, path and query, without user and password.",
        "http_version": "1.0, 1.1, 2 or 3.",
        "headers": _HEADERS,
        "body": f"{_TEXT} Only needed with a 400.",
        "body_base64": _BASE64,
        "body_size": "Size of the whole body as sent, bytes.",
        "body_sha256": "SHA-256 of the whole body as sent, hexadecimal.",
        "body_truncated": "Whether this record has only the beginning of the body that was sent.",
    },
    "Response": {
        "status": "Every status is counted; 400 is what halts.",
        "headers": _HEADERS,
        "body": _TEXT,
        "body_base64": _BASE64,
        "body_size": "Size of the whole body as received, bytes.",
        "body_truncated": "Whether this record has only the beginning of the body that was received.",
    },
    "Proxy": {"id": "Name or address of the proxy, without credentials.", "pool": "The pool that it belongs to."},
    "Client": {"name": "Such as httpx or Scrapy.", "version": "Version of the library."},
    "Evidence": {
        "where": "method, url, header, body, response_header, response_body or request_line.",
        "detail": "What is wrong there, in one sentence.",
        "name": "Name of the header or field, if it has one.",
        "offset": "First byte of the defect, counted from 0 in that part as it was sent.",
        "length": "Length of the defect, bytes.",
        "line": "Line of the defect, from 1.",
        "column": "Column of the defect, in characters from 1.",
        "excerpt": "Redacted text around the defect.",
        "caret": "Index of the defect in `excerpt`, characters.",
    },
    "RequestChange": {
        "what": "The part: release, a header, a query parameter, a path of the body, the order of headers.",
        "here": "How it is in this request: its type or format, `missing` or `sent`.",
        "usual": "How it is in good requests.",
    },
    "RunnerUp": {
        "cause": "The cause that was considered.",
        "confidence": "How certain it was, 0-1.",
        "detail": "Why it was ranked lower.",
    },
    "BadRequestFigures": {
        "malformed_payload_ratio": "400s / all responses of the target in the last hour; null without responses.",
        "header_mismatch": "Distance of the sent headers from those of good requests, 0-1; null without a profile.",
        "url_encoding_failures": "Characters of the URL that should have been percent-encoded.",
    },
    "Diagnosis": {
        "cause": "What is wrong.",
        "blame": "What is to change, `nobody` where time mends it; only `proxy` costs the proxy its reputation.",
        "confidence": "0-1.",
        "remedy": "What would fix it.",
        "evidence": "Where exactly, the strongest evidence first.",
        "figures": "The three figures of every diagnosis.",
        "runners_up": "Causes that were considered and ranked lower.",
        "ruled_out": "Causes that were examined and excluded.",
        "changes": "How the request differs from the last good ones, what matters most first; of a schema break.",
        "retry_after_s": "Seconds to wait, as the target states or the documentation of its error code.",
        "answered_by": "Who wrote the response: a server or edge, or the application; null where it does not tell.",
    },
    "Fingerprints": {
        "request": "The exact request, hexadecimal.",
        "signature": "The group of requests of the same shape, hexadecimal.",
    },
    "Source": {
        "topic": "Kafka topic.",
        "partition": "Partition of the topic.",
        "offset": "Offset in the partition.",
        "index": "Place of the event in a record that is an array of events, from 0; absent for 0.",
    },
    "Scope": {
        "kind": "One request shape, one job on one target, or the target as a whole.",
        "target": "The target.",
        "job_id": "The job, of kind job.",
        "fingerprint": "The request's fingerprint, of kind request.",
    },
    "WindowFigures": {
        "window_s": "Length of the window, seconds.",
        "start": "First moment of the window.",
        "end": "First moment after the window.",
        "responses": "All responses in it.",
        "bad_requests": "400s among them.",
        "bad_request_ratio": "bad_requests / responses, 0-1; null without responses.",
    },
    "Command": {
        "version": "Version of this record.",
        "command_id": "Derived from the cause: the same cause, after a crash too, gives the same id.",
        "scope": "What this command is for. The record's key is its id, such as job/api.shop.example/extract-099.",
        "sequence": "Rises by one with each command of a scope; the command with the highest sequence applies.",
        "state": "A scraper halts while this is quarantined and `expires_at` is in the future.",
        "retry": "What to do with the retry of the request that failed: always abort.",
        "proxy": "What to do with its proxy: always release.",
        "proxy_blame": "Whether the proxy is to blame; false: it returns to its pool with its reputation unchanged.",
        "reason": "The reason, in one sentence for a person.",
        "issued_by": "Part of the service, or person, that issued it.",
        "opened_at": "When this quarantine began.",
        "issued_at": "When this command was issued.",
        "expires_at": "When it ends by itself.",
        "source": "The response that caused it; null where a person did.",
        "diagnosis": "What is wrong with the request; null where it was not diagnosed.",
        "windows": "Counts of the target when it was issued.",
        "archive_uri": "URI of the evidence (HAR) in the archive; null where there is none.",
        "signature": "Group of similar requests that the 400 belongs to; null where a person opened it.",
        "severity": "`page` or `ticket`: how people are alerted; null where the routes of the alerts decide.",
        "responses_offset": "Last response of its partition that its issuer had applied; its replay changes nothing.",
        "operations_offset": "Last operation of its partition that its issuer had applied; the same.",
        "responses_index": "How far its issuer had applied an array of events at `responses_offset`; null: all of it.",
    },
    "Offence": {
        "version": "Version of this record.",
        "target": "The target, as in the event; it is the record's key.",
        "event": "The complete event, as it was published.",
        "source": "The event's record in Kafka.",
        "archive_uri": "URI of the evidence (HAR) in the archive. There is no object where sampling left it out.",
        "seen_at": "When the service read the event.",
        "command_id": "The command that it led to, or the one that quarantined its job before; absent without one.",
        "opens": "Whether a command was issued for exactly this 400: its evidence is never sampled out.",
        "fingerprints": "By which similar requests are grouped.",
        "diagnosis": "What is wrong with the request.",
    },
    "Operation": {
        "version": "Version of this record.",
        "operation_id": "Unique per operation; sending it again must repeat it.",
        "time": "When it was requested.",
        "kind": "release, extend, quarantine or probe now by hand, or a gate's claim or result of a probe.",
        "scope": "What it is for; `scope.target` is the record's key.",
        "actor": "Who requests it: a person, or the scraper that probed.",
        "reason": "The reason.",
        "hold_s": "How long the quarantine lasts from now on, seconds; of extend and quarantine.",
        "probe_status": "Status that the probe was answered with; of probe_result.",
        "probe_id": "The probe that this is the result of; of probe_result.",
    },
    "Savings": {
        "version": "Version of this record.",
        "gate": "Unique name of the gate: a process of a scraper.",
        "scope": "The scope that is quarantined.",
        "opened_at": "When the quarantine began, as in its commands.",
        "requests": "Requests that the gate has not sent because of it, in total so far.",
        "time": "When the gate reported it.",
        "request_bytes": "Bytes of those requests that a guard was shown: method, address, headers, body.",
    },
}


def describe(definitions: dict[str, Any]) -> None:
    """Add the description of each field to JSON Schema definitions by type name, in place."""
    for name, definition in definitions.items():
        if "description" in definition:
            paragraphs = definition["description"].replace("\n    ", "\n").split("\n\n")
            definition["description"] = "\n\n".join(" ".join(paragraph.split("\n")) for paragraph in paragraphs)
        for field, schema in definition.get("properties", {}).items():
            texts = [FIELDS.get(name, {}).get(field, ""), schema.get("description", "")]
            attribute = _ATTRIBUTES.get((name, field))
            texts.append(f"OpenTelemetry: {attribute}." if attribute else "")
            text = " ".join(text for text in texts if text)
            if text:
                schema["description"] = text


_TYPE_OF_FIELD = {"request": "Request", "response": "Response"}
_ATTRIBUTES = {
    (_TYPE_OF_FIELD[parts[1]] if len(parts) == 3 else parts[0], parts[-1]): attribute
    for path, attribute in OTEL_ATTRIBUTES.items()
    for parts in [path.split(".")]
}
