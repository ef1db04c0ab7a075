"""Derive a server's ``jars.lock`` from its ``pom.xml``: ``python -m streams.local.pin kafka s3proxy`` (needs Maven)."""

import sys
import tempfile
from pathlib import Path

from halt400.errors import LocalServiceError
from streams.local.jars import ARTIFACTS, Artifact, maven_fetch, sha256

__all__ = ["pinned"]


def pinned(artifact: Artifact) -> str:
    """Resolve the pom and return the text that its lock must have.

    Raises
    ------
    LocalServiceError
        Maven is missing or failed.
    """
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / "repository"
        failure = maven_fetch(artifact, target)
        if failure is not None:
            raise LocalServiceError(
                f"Maven cannot resolve {artifact.pom}: {failure}.", "Install Maven, or correct the pom."
            )
        jars = sorted(target.rglob("*.jar"))
        lines = [f"{sha256(jar)}  {jar.relative_to(target).as_posix()}" for jar in jars]
    header = [
        f"# Derived from pom.xml by: python -m streams.local.pin {artifact.name}",
        f"# pom.xml {sha256(artifact.pom)}",
    ]
    return "\n".join([*header, *lines, ""])


def _main(names: list[str]) -> int:
    for name in names or list(ARTIFACTS):
        artifact = ARTIFACTS[name]
        artifact.lock.write_text(pinned(artifact))
        sys.stdout.write(f"{artifact.lock}\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
