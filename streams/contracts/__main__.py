"""Write the generated documents, or check that the committed ones are up to date."""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from streams.contracts.compatibility import breaking_changes
from streams.contracts.documents import REPOSITORY, committed_schemas, documents
from streams.contracts.json_schemas import CONTRACTS, json_schema


def main(arguments: list[str] | None = None) -> int:
    """Return 0 on success, 1 where a committed file differs or a change to a record is breaking."""
    parser = argparse.ArgumentParser(prog="python -m streams.contracts", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a committed file differs")
    parser.add_argument(
        "--allow-breaking",
        action="store_true",
        help="write breaking changes too: for a record that no one uses yet",
    )
    parser.add_argument("--directory", type=Path, default=REPOSITORY, help="root of the repository")
    options = parser.parse_args(arguments)
    console = Console(stderr=True, soft_wrap=True, highlight=False)

    committed = committed_schemas(options.directory)
    broken = [
        f"{contract.path}: {change}"
        for contract in CONTRACTS
        if contract.path in committed
        for change in breaking_changes(committed[contract.path], json_schema(contract))
    ]
    for change in broken:
        console.print(f"breaking: {change}")
    if broken and not options.allow_breaking:
        console.print("Keep the record as it was, or add a new version of it.")
        return 1
    changed = []
    for path, content in documents(options.directory).items():
        file = options.directory / path
        if not file.is_file() or file.read_text() != content:
            changed.append(path)
            if not options.check:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content)
    for path in changed:
        console.print(f"{'differs' if options.check else 'wrote'}: {path}")
    if changed and options.check:
        console.print("Run `python -m streams.contracts` and commit what it writes.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
