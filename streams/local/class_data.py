"""Class data of the local servers: an archive from which Java loads their classes; they start in half the time.

Java writes it when a program ends (``-XX:ArchiveClassesAtExit``) and reads it at the next start. One that does not fit
is not used by Java, so a missing or old archive costs time and nothing else.
See https://docs.oracle.com/en/java/javase/17/vm/class-data-sharing.html.
"""

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from halt400.errors import LocalServiceError
from streams.local.service import LocalService

__all__ = ["archive_class_data", "class_data_archive", "class_data_options"]

_OWN_ARCHIVE = ("-XX:SharedArchiveFile", "-XX:ArchiveClassesAtExit")


def class_data_archive(java: Path, home: Path) -> Path:
    """Where the class data of the artifact that is installed in `home` are, for this very Java."""
    program = java.resolve()
    state = program.stat()
    identity = hashlib.sha256(f"{program}\n{state.st_size}\n{state.st_mtime_ns}".encode()).hexdigest()[:8]
    return home.with_name(f"{home.name}-{identity}.jsa")


def class_data_options(java: Path, home: Path, others: Sequence[str] = ()) -> list[str]:
    """Java's options that read the class data; none where there is no archive, or another one is among `others`."""
    archive = class_data_archive(java, home)
    if not archive.is_file() or any(option.startswith(_OWN_ARCHIVE) for option in others):
        return []
    return [f"-XX:SharedArchiveFile={archive}"]


def archive_class_data(java: Path, home: Path, make_server: Callable[[Sequence[str]], LocalService]) -> Path | None:
    """Start and stop a server once to write its class data, unless they are there.

    Parameters
    ----------
    java
        The Java that runs the server.
    home
        Where the server's jars are installed; the archive is written beside it.
    make_server
        Makes a server that passes these options to Java.

    Returns
    -------
    Path | None
        The archive; None where this Java writes none.
    """
    archive = class_data_archive(java, home)
    if archive.is_file():
        return archive
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=f".{archive.stem}-") as staging:
        written = Path(staging) / archive.name
        with suppress(LocalServiceError), make_server([f"-XX:ArchiveClassesAtExit={written}"]):
            pass  # A Java without class data of its own ends with an error here.
        if not written.is_file():
            return None
        written.rename(archive)
    return archive
