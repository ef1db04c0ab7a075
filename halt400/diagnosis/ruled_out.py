"""What a diagnosis rules out: the causes that were looked for and not found, in the words of a reader."""

from __future__ import annotations

from functools import lru_cache

from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.graphql_documents import summary_of
from halt400.records import Cause

__all__ = ["ruled_out_of"]

_OF_REFUSALS = frozenset(
    {"waf_block", "transient", "schema_violation", "credential_rejected", "expired_state", "rate_limited"}
)
_CHECKED = {
    "malformed_json": "the body parses as JSON",
    "malformed_xml": "the body is well-formed XML",
    "malformed_form": "the form body is well-formed",
    "malformed_graphql": "the GraphQL document follows the grammar",
    "invalid_url_encoding": "the URL is well-formed and fully escaped",
    "protocol_violation": "method, fields and framing follow HTTP",
    "content_type_mismatch": "Content-Type and body agree",
    "payload_too_large": "no part exceeds a known limit",
    "missing_required_header": "no field is known to be missing",
    "schema_violation": "the server names no field",
    "credential_rejected": "the server does not speak of a credential",
    "expired_state": "the server does not speak of a cursor, session or nonce that is over",
    "rate_limited": "the server does not speak of a limit",
    "waf_block": "no sign of a firewall",
    "transient": "no success of the same request is known",
}


def ruled_out_of(exchange: Exchange, reported: frozenset[Cause]) -> list[str]:
    """The texts for what was looked for in this exchange and is not among the reported causes."""
    essence = exchange.media_type.essence
    documents = exchange.cache.get("graphql", ())
    has_documents = bool(documents) and any(summary_of(document.text) is not None for document in documents)
    return list(
        _checked(
            reported,
            is_json=exchange.declares_json and exchange.json is not None,
            is_xml="xml" in essence and bool(exchange.body),
            is_form=essence.startswith("multipart/") or essence == "application/x-www-form-urlencoded",
            has_documents=has_documents,
            has_body=exchange.body is not None,
            refused=exchange.refused,
        )
    )


@lru_cache(maxsize=512)
def _checked(
    reported: frozenset[str],
    *,
    is_json: bool,
    is_xml: bool,
    is_form: bool,
    has_documents: bool,
    has_body: bool,
    refused: bool,
) -> tuple[str, ...]:
    """What was checked and found in order, by what there was to check."""
    there = {
        "malformed_json": is_json,
        "malformed_xml": is_xml,
        "malformed_form": is_form,
        "malformed_graphql": has_documents,
        "content_type_mismatch": has_body,
    }
    there.update(dict.fromkeys(_OF_REFUSALS, refused))
    return tuple(text for cause, text in _CHECKED.items() if cause not in reported and there.get(cause, True))
