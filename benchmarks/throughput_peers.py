"""Other stream processors on the throughput benchmark's log: how each is installed and started, and what it was told.

Each counts the responses and the 400s of each target in windows of 5 minutes, by event time: the part of the worker's
job that it can do without further code. Python peers are installed from PyPI into environments of their own, Kafka
Streams from Maven Central.
"""

import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from streams.local import cache_dir, find_java

__all__ = ["KAFKA_STREAMS", "PYTHON_PEERS", "WINDOWS_PER_EVENT", "CannotRun", "KafkaStreamsPeer", "PythonPeer"]

WINDOWS_PER_EVENT = 5
"""Windows of 5 minutes that hop by one and hold an event."""

_HERE = Path(__file__).parent


class CannotRun(Exception):
    """What a contender needs cannot be installed here."""


@dataclass(frozen=True)
class KafkaStreamsPeer:
    """One configuration of ``kafka_streams/WindowedCounts.java``; `told` says it in words."""

    windows: str
    store: str
    guarantee: str
    told: str

    @property
    def windows_per_event(self) -> int:
        """How many windows hold an event."""
        return WINDOWS_PER_EVENT if self.windows == "hopping" else 1

    def command(self, servers: str, topic: str, group: str, directory: Path) -> list[str]:
        """Compile what is to be run, if that was not done, and return its command line."""
        home = _installed_java()
        options = {
            "servers": servers,
            "topic": topic,
            "group": group,
            "state": str(directory),
            "windows": self.windows,
            "store": self.store,
            "guarantee": self.guarantee,
        }
        class_path = os.pathsep.join((str(home / "classes"), str(home / "jars" / "*")))
        arguments = [f"{name}={value}" for name, value in options.items()]
        return [str(find_java()), "-Xmx1g", "-cp", class_path, "WindowedCounts", *arguments]


@dataclass(frozen=True)
class PythonPeer:
    """A script of ``peers/`` and the packages it needs; `bounded` where it runs for some seconds, not the whole log."""

    script: str
    packages: tuple[str, ...]
    bounded: bool
    told: str

    def command(self, servers: str, topic: str, group: str, seconds: float) -> list[str]:
        """Install its environment, if that was not done, and return its command line."""
        python = _environment(self.script, self.packages)
        arguments = ["--servers", servers, "--topic", topic]
        if self.bounded:
            arguments += ["--group", group, "--seconds", str(seconds)]
        return [str(python), str(_HERE / "peers" / f"{self.script}.py"), *arguments]


_STREAMS = "Kafka Streams 4.1.0, one thread, Jackson's streaming parser, cache 64 MB, commit each second"
KAFKA_STREAMS = {
    "kstreams-tumbling": KafkaStreamsPeer(
        "tumbling", "memory", "at_least_once", f"{_STREAMS}: one tumbling window, in memory, at least once"
    ),
    "kstreams-hopping": KafkaStreamsPeer(
        "hopping", "rocksdb", "at_least_once", f"{_STREAMS}: a window hopping by 1 minute, RocksDB, at least once"
    ),
    "kstreams-exactly-once": KafkaStreamsPeer(
        "hopping", "rocksdb", "exactly_once_v2", f"{_STREAMS}: a window hopping by 1 minute, RocksDB, exactly once v2"
    ),
}
PYTHON_PEERS = {
    "quix": PythonPeer(
        "quix_counts",
        ("quixstreams==3.28.1", "msgspec==0.22.0"),
        True,
        "Quix Streams 3.28.1: a window hopping by 1 minute, RocksDB and changelog, checkpoint each second",
    ),
    "bytewax": PythonPeer(
        "bytewax_counts",
        ("bytewax[kafka]==0.21.1", "msgspec==0.22.0"),
        False,
        "Bytewax 0.21.1: a window sliding by 1 minute, batches of 1,000, no recovery store, whole log",
    ),
}


def _installed_java() -> Path:
    source = _HERE / "kafka_streams"
    home = cache_dir() / "benchmarks" / "kafka-streams"
    program = home / "classes" / "WindowedCounts.class"
    if program.is_file() and program.stat().st_mtime > (source / "WindowedCounts.java").stat().st_mtime:
        return home
    if not (shutil.which("mvn") and shutil.which("javac")):
        raise CannotRun("Kafka Streams: needs mvn and javac, a JDK of 17 or later")
    home.mkdir(parents=True, exist_ok=True)
    pom, jars = str(source / "pom.xml"), home / "jars"
    _run(["mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", f"-DoutputDirectory={jars}"])
    _run(["javac", "-cp", f"{jars}/*", "-d", str(home / "classes"), str(source / "WindowedCounts.java")])
    return home


def _environment(name: str, packages: tuple[str, ...]) -> Path:
    home = cache_dir() / "benchmarks" / name
    python, mark = home / "bin" / "python", home / "installed"
    wanted = "\n".join((sys.version, *packages))
    if not mark.is_file() or mark.read_text() != wanted:
        venv.create(home, with_pip=True, clear=True)
        _run([str(python), "-m", "pip", "install", "--quiet", *packages])
        mark.write_text(wanted)
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise CannotRun(f"{' '.join(command[:4])} ...: {(done.stderr or done.stdout)[-2000:]}")
