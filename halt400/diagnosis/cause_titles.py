"""The causes of a 400 as people read them. Pure."""

__all__ = ["CAUSE_TITLES"]

CAUSE_TITLES = {
    "malformed_json": "Malformed JSON",
    "malformed_xml": "Malformed XML",
    "malformed_form": "Malformed form",
    "malformed_graphql": "Malformed GraphQL",
    "invalid_url_encoding": "Invalid URL encoding",
    "content_type_mismatch": "Content-Type mismatch",
    "missing_required_header": "Missing required header",
    "payload_too_large": "Payload too large",
    "schema_violation": "Schema violation",
    "protocol_violation": "Protocol violation",
    "credential_rejected": "Credential rejected",
    "expired_state": "Expired state",
    "rate_limited": "Rate limited",
    "waf_block": "Blocked by a firewall",
    "transient": "Transient",
    "unknown": "Unknown cause",
}
