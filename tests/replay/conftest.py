"""What the replay's tests share: the corpora where they are there, and the command line as a user calls it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from halt400.cli.app import build
from halt400.exchanges import Unread, chosen_format
from halt400.records import ResponseEvent
from streams.replay import Recording, read_events
from tests.cli.command import run_in

CORPORA = Path(__file__).parents[3] / "shared" / "corpora"

Read = Callable[..., tuple[list[ResponseEvent], list[Unread]]]
Replay = Callable[..., Result]


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of real cases that lies beside the project."""
    if not CORPORA.is_dir():
        pytest.skip(f"the corpora are not at {CORPORA}")
    return CORPORA


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write a file of that name and content, read it, and return its events and what could not be read."""

    def write_and_read(
        content: bytes | str,
        name: str = "input",
        input_format: str | None = None,
        target: str | None = None,
        job_id: str | None = None,
        log_format: str | None = None,
    ) -> tuple[list[ResponseEvent], list[Unread]]:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with Recording(str(path)) as recording:
            items = list(read_events(recording, chosen_format(input_format, log_format), target, job_id))
        return (
            [item for item in items if isinstance(item, ResponseEvent)],
            [item for item in items if isinstance(item, Unread)],
        )

    return write_and_read


@pytest.fixture
def replay() -> Replay:
    """Call `halt400 replay` with the arguments given."""

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(build(), ["replay", *arguments])

    return call


async def run_replay(environment: dict[str, str], *arguments: str) -> dict[str, Any]:
    """Run `halt400 replay` as a process of its own; what it reports."""
    outcome = await run_in(environment, "replay", "--format", "json", *arguments)
    assert outcome.code == 0, outcome.err
    report: dict[str, Any] = json.loads(outcome.out)
    return report


def exchange(**fields: Any) -> str:
    """One line of recorded exchanges."""
    recorded = {
        "source": "acme/client",
        "file": "cassettes/search.yaml",
        "method": "POST",
        "url": "https://api.shop.example/graphql",
        "request_headers": {"content-type": "application/json"},
        "request_body": '{"query": "phones", }',
        "status": 400,
        "response_headers": {},
        "response_body": "bad",
    }
    return json.dumps(recorded | fields)
