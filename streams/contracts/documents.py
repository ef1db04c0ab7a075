"""All generated documents, by their paths in the repository."""

import json
from pathlib import Path
from typing import Any

from streams.api.openapi import openapi_document
from streams.contracts.asyncapi import asyncapi_document
from streams.contracts.json_schemas import CONTRACTS, json_schema
from streams.contracts.metrics_page import metrics_page
from streams.settings.catalogue import settings_page

__all__ = ["REPOSITORY", "committed_schemas", "documents", "read_examples"]

REPOSITORY = Path(__file__).parents[2]


def documents(repository: Path = REPOSITORY) -> dict[str, str]:
    """Return the content of every generated document, by its path from the root of the repository."""
    found = {f"schemas/{contract.path}": _text(json_schema(contract)) for contract in CONTRACTS}
    found["schemas/asyncapi.json"] = _text(asyncapi_document(read_examples(repository)))
    found["schemas/openapi.json"] = _text(openapi_document())
    found["docs/settings.md"] = settings_page()
    found["docs/metrics.md"] = metrics_page()
    return found


def read_examples(repository: Path = REPOSITORY) -> dict[str, list[tuple[str, Any]]]:
    """Return the examples of each record, (name, value), by the record's directory; they are written by hand."""
    return {
        contract.name: [
            (file.stem, json.loads(file.read_text()))
            for file in sorted((repository / "schemas" / contract.name / "examples").glob("*.json"))
        ]
        for contract in CONTRACTS
    }


def committed_schemas(repository: Path = REPOSITORY) -> dict[str, Any]:
    """Return the schemas that are in the repository now, by their path in schemas/."""
    return {
        contract.path: json.loads(file.read_text())
        for contract in CONTRACTS
        if (file := repository / "schemas" / contract.path).is_file()
    }


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
