"""Starts one real server, sends it every request of the matrix over a socket, and keeps what came back."""

from __future__ import annotations

import os
import re
import select
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from benchmarks.server_matrix.defects import DEFECTS, FINE, Defect
from benchmarks.server_matrix.servers import APPS, EARLIER, SERVERS, Ports, Server

__all__ = ["record", "upstream"]

_START_S = 90.0
_SILENCE_S = 2.5
_SILENCE_AFTER_S = 0.7
"""Once a part of the response is there."""
_MOST_BYTES = 1 << 16


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"does not listen: {log.read_text(errors='replace')[-600:]}")


@contextmanager
def _running(command: list[str], work: Path, port: int, environment: dict[str, str]) -> Iterator[None]:
    log = work / "output.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=work, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        try:
            _wait(port, process, log)
            yield
        finally:
            try:
                os.killpg(process.pid, 15)
                process.wait(5)
            except ProcessLookupError:
                process.wait()
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait()


@contextmanager
def upstream() -> Iterator[int]:
    """The tolerant application behind the proxies, and its port."""
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = ["python3", str(APPS / "web.py"), "http_server", str(port)]
        with _running(command, Path(folder), port, dict(os.environ)):
            yield port


def send(port: int, raw: bytes, *, half_close: bool = False) -> bytes:
    """Send the bytes, and read until the other side closes or is silent."""
    received = b""
    with socket.socket() as client:
        client.settimeout(_SILENCE_S)
        client.connect(("127.0.0.1", port))
        client.setblocking(False)
        pending = memoryview(raw)
        deadline = time.monotonic() + 4 * _SILENCE_S
        while time.monotonic() < deadline and len(received) < _MOST_BYTES:
            silence_s = _SILENCE_AFTER_S if received else _SILENCE_S
            readable, writable, _ = select.select([client], [client] if pending else [], [], silence_s)
            if not readable and not writable:
                break
            try:
                if readable:
                    part = client.recv(_MOST_BYTES)
                    if not part:
                        break
                    received += part
                elif writable:
                    pending = pending[client.send(pending[:65536]) :]
                    if not pending and half_close:
                        client.shutdown(socket.SHUT_WR)
            except OSError:
                break
    return received


def _environment(installed: Path, server: Server, ports: Ports) -> dict[str, str]:
    libraries = [installed / "root/usr/lib/x86_64-linux-gnu", installed / "root/lib/x86_64-linux-gnu"]
    libraries += [installed / "root/usr/lib/x86_64-linux-gnu/varnish", installed / "root/usr/lib/trafficserver"]
    own = {name: value.format(port=ports.plain) for name, value in server.environment.items()}
    path = f"{installed / 'root/usr/sbin'}:{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**kept, "PATH": path, "LD_LIBRARY_PATH": ":".join(map(str, libraries)), "NODE_ENV": "production", **own}


def version_of(installed: Path, server: Server) -> str:
    """What the server says of its own version."""
    ports = Ports(0, 0, 0)
    command = server.version.replace("{}", str(installed))
    names = command.split(" --format=freeze ")
    environment = _environment(installed, server, ports)
    run = subprocess.run(
        (names[0] + (" --format=freeze" if len(names) > 1 else "")).split(), capture_output=True, text=True,
        env=environment, check=False,
    )  # fmt: skip
    output = run.stdout + run.stderr
    wanted = names[1] if len(names) > 1 else None
    if wanted is not None:
        return next((line for line in output.splitlines() if line.lower().startswith(f"{wanted}==")), "unknown")
    if "java/lib" in command:
        library = {"Vert.x": "vertx-core", "Netty": "netty-codec-http-", "Tomcat": "tomcat-embed-core"}
        wanted = library.get(server.name, f"{server.name.lower()}-")
        return next((line for line in output.split() if line.startswith(wanted) and "bom" not in line), "unknown")
    found = re.search(r'"version": "([^"]+)"|fasthttp (v\S+)', output) if command.startswith("cat") else None
    return (
        next(filter(None, found.groups())) if found else output.strip().splitlines()[0][:80] if output.strip() else ""
    )


def record(installed: Path, server: Server, upstream_port: int) -> dict[str, bytes]:
    """The response to each request of the matrix, by its name; empty where the server closed without one.

    Raises
    ------
    RuntimeError
        The server does not start.
    """
    ports = Ports(_free_port(), _free_port(), upstream_port)
    work = Path(tempfile.mkdtemp(prefix="matrix-"))
    work.chmod(0o777)
    wanted: list[Defect] = [one for one in (*FINE, *DEFECTS) if server.tls or not one.tls]
    try:
        command = server.command(installed, work, ports)
        with _running(command, work, ports.plain, _environment(installed, server, ports)):
            _warm(ports.plain)
            with ThreadPoolExecutor(12) as threads:
                responses = threads.map(lambda one: _ask(ports, one), wanted)
                return dict(zip((one.name for one in wanted), responses, strict=True))
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _ask(ports: Ports, defect: Defect) -> bytes:
    return send(ports.tls if defect.tls else ports.plain, defect.raw, half_close=defect.cut_off)


def _warm(port: int) -> None:
    """Wait until the server answers a fine request: a listening socket is not yet a server."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if send(port, FINE[0].raw)[9:12] in (b"200", b"404"):
            return
        time.sleep(0.2)


def servers_named(names: str | None, versions: str = "current") -> list[Server]:
    """The servers with these names, all where there are none; of earlier versions those that the registries have."""
    wanted = {name.strip().lower() for name in names.split(",")} if names else None
    asked = SERVERS if versions == "current" else [one for one in SERVERS if one.name in EARLIER]
    return [one for one in asked if wanted is None or one.name.lower() in wanted]
