"""The configurations of the servers that are not made of our code: proxies before the tolerant upstream."""

# ruff: noqa: E501 - a configuration has the lines of its format
from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["apache", "ats", "caddy", "envoy", "h2o", "haproxy", "lighttpd", "nginx", "squid", "varnish"]


def _file(folder: Path, name: str, text: str, **values: Any) -> str:
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    path = folder / name
    path.write_text(text)
    return str(path)


def _values(installed: Path, work: Path, ports: Any) -> dict[str, Any]:
    names = {"installed": installed, "work": work, "root": installed / "root"}
    return {**names, "plain": ports.plain, "tls": ports.tls, "upstream": ports.upstream}


def nginx(installed: Path, work: Path, ports: Any) -> list[str]:
    """Write the configuration of nginx with one location that is a proxy."""
    text = """daemon off; worker_processes 1; pid @work@/pid; error_log @work@/error.log info;
events { worker_connections 64; }
http { access_log off;
  client_body_temp_path @work@/1; proxy_temp_path @work@/2; fastcgi_temp_path @work@/3; uwsgi_temp_path @work@/4;
  scgi_temp_path @work@/5;
  server { listen 127.0.0.1:@plain@; listen 127.0.0.1:@tls@ ssl;
    ssl_certificate @installed@/cert.pem; ssl_certificate_key @installed@/key.pem;
    location / { proxy_http_version 1.1; proxy_pass http://127.0.0.1:@upstream@; } } }
"""
    path = _file(work, "nginx.conf", text, **_values(installed, work, ports))
    return [str(installed / "root/usr/sbin/nginx"), "-p", str(work), "-e", str(work / "e"), "-c", path]


def apache(installed: Path, work: Path, ports: Any) -> list[str]:
    """Write the configuration of Apache httpd with mod_proxy."""
    modules = "authz_core mpm_event proxy proxy_http ssl socache_shmcb"
    loaded = "".join(
        f"LoadModule {name}_module @root@/usr/lib/apache2/modules/mod_{name}.so\n" for name in modules.split()
    )
    text = """ServerRoot @work@
ServerName shop.example
PidFile @work@/pid
ErrorLog @work@/error.log
DefaultRuntimeDir @work@
Listen 127.0.0.1:@plain@
Listen 127.0.0.1:@tls@ https
LimitRequestBody 1048576
ProxyPass / http://127.0.0.1:@upstream@/
<VirtualHost 127.0.0.1:@tls@>
SSLEngine on
SSLCertificateFile @installed@/cert.pem
SSLCertificateKeyFile @installed@/key.pem
</VirtualHost>
"""
    path = _file(work, "httpd.conf", loaded + text, **_values(installed, work, ports))
    return [str(installed / "root/usr/sbin/apache2"), "-X", "-f", path]


def haproxy(installed: Path, work: Path, ports: Any) -> list[str]:
    """Write the configuration of HAProxy with one backend."""
    text = """global
  maxconn 64
defaults
  mode http
  timeout connect 2s
  timeout client 4s
  timeout server 4s
frontend f
  bind 127.0.0.1:@plain@
  bind 127.0.0.1:@tls@ ssl crt @installed@/both.pem
  http-request deny deny_status 413 if { req.body_size gt 1048576 }
  default_backend b
backend b
  server s 127.0.0.1:@upstream@
"""
    return [
        str(installed / "root/usr/sbin/haproxy"),
        "-f",
        _file(work, "h.cfg", text, **_values(installed, work, ports)),
    ]


def varnish(installed: Path, work: Path, ports: Any) -> list[str]:
    """Write the configuration of Varnish with one backend."""
    text = """vcl 4.1;
backend default { .host = "127.0.0.1"; .port = "@upstream@"; }
"""
    path = _file(work, "default.vcl", text, **_values(installed, work, ports))
    program = str(installed / "root/usr/sbin/varnishd")
    more = ("-p", "vmod_path=" + str(installed / "root/usr/lib/x86_64-linux-gnu/varnish/vmods"))
    return [program, "-F", "-n", str(work), "-a", f"127.0.0.1:{ports.plain}", "-f", path, "-j", "none", *more]


def lighttpd(installed: Path, work: Path, ports: Any) -> list[str]:
    """Write the configuration of lighttpd with mod_proxy."""
    text = """server.document-root = "@work@"
server.bind = "127.0.0.1"
server.port = @plain@
server.modules = ( "mod_proxy" )
server.max-request-size = 1024
proxy.server = ( "" => ( ( "host" => "127.0.0.1", "port" => @upstream@ ) ) )
"""
    path = _file(work, "l.conf", text, **_values(installed, work, ports))
    modules = str(installed / "root/usr/lib/lighttpd")
    return [str(installed / "root/usr/sbin/lighttpd"), "-D", "-m", modules, "-f", path]


def squid(installed: Path, work: Path, ports: Any) -> list[str]:
    """Write the configuration of Squid as a reverse proxy."""
    text = """http_port 127.0.0.1:@plain@ accel defaultsite=shop.example
cache_peer 127.0.0.1 parent @upstream@ 0 no-query originserver
http_access allow all
cache deny all
pid_filename @work@/pid
cache_log @work@/cache.log
access_log none
request_body_max_size 1 MB
error_directory @root@/usr/share/squid-langpack/en
mime_table @root@/usr/share/squid/mime.conf
icon_directory @root@/usr/share/squid/icons
unlinkd_program @root@/usr/lib/squid/unlinkd
logfile_daemon @root@/usr/lib/squid/log_file_daemon
pinger_enable off
netdb_filename none
coredump_dir @work@
shutdown_lifetime 0 seconds
visible_hostname edge.example
"""
    return [
        str(installed / "root/usr/sbin/squid"),
        "-N",
        "-f",
        _file(work, "s.conf", text, **_values(installed, work, ports)),
    ]


def h2o(installed: Path, work: Path, ports: Any) -> list[str]:
    """Write the configuration of H2O as a reverse proxy."""
    text = """listen: { host: 127.0.0.1, port: @plain@ }
listen:
  host: 127.0.0.1
  port: @tls@
  ssl: { certificate-file: @installed@/cert.pem, key-file: @installed@/key.pem }
limit-request-body: 1048576
hosts:
  default:
    paths:
      /: { proxy.reverse.url: "http://127.0.0.1:@upstream@/" }
"""
    return [str(installed / "root/usr/bin/h2o"), "-c", _file(work, "h2o.yml", text, **_values(installed, work, ports))]


def ats(installed: Path, work: Path, ports: Any) -> list[str]:
    """Write the configuration of Apache Traffic Server as a reverse proxy."""
    values = _values(installed, work, ports)
    for name in ("etc", "log", "run", "cache"):
        (work / name).mkdir(exist_ok=True)
    _file(work, "etc/remap.config", "map / http://127.0.0.1:@upstream@/\n", **values)
    _file(work, "etc/storage.config", "@work@/cache 16M\n", **values)
    _file(work, "etc/ip_allow.yaml", "ip_allow:\n  - {apply: in, ip_addrs: 127.0.0.1, action: allow, methods: ALL}\n")
    _file(
        work,
        "etc/records.config",
        """CONFIG proxy.config.http.server_ports STRING @plain@:ip-in=127.0.0.1
CONFIG proxy.config.admin.user_id STRING #-1
CONFIG proxy.config.body_factory.template_sets_dir STRING @root@/etc/trafficserver/body_factory
CONFIG proxy.config.url_remap.pristine_host_hdr INT 1
""",
        **values,
    )
    _file(
        work,
        "runroot.yaml",
        """prefix: @work@
exec_prefix: @work@
bindir: @root@/usr/bin
sbindir: @root@/usr/bin
sysconfdir: @work@/etc
datadir: @work@/cache
libexecdir: @root@/usr/lib/trafficserver/modules
localstatedir: @work@
runtimedir: @work@/run
logdir: @work@/log
cachedir: @work@/cache
""",
        **values,
    )
    return [str(installed / "root/usr/bin/traffic_server"), f"--run-root={work}/runroot.yaml"]


def caddy(installed: Path, work: Path, ports: Any) -> list[str]:
    """Write the configuration of Caddy as a reverse proxy."""
    text = """{
  admin off
  auto_https off
}
http://127.0.0.1:@plain@, http://shop.example:@plain@, http://:@plain@ {
  bind 127.0.0.1
  request_body {
    max_size 1MB
  }
  reverse_proxy 127.0.0.1:@upstream@
}
https://:@tls@ {
  bind 127.0.0.1
  tls @installed@/cert.pem @installed@/key.pem
  reverse_proxy 127.0.0.1:@upstream@
}
"""
    path = _file(work, "Caddyfile", text, **_values(installed, work, ports))
    return [str(installed / "py/bin/caddy"), "run", "--adapter", "caddyfile", "--config", path]


_ENVOY_LISTENER = """  - name: @name@
    address: { socket_address: { address: 127.0.0.1, port_value: @port@ } }
    filter_chains:
    - @transport@
      filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: s
          route_config:
            virtual_hosts:
            - { name: v, domains: ["*"], routes: [ { match: { prefix: "/" }, route: { cluster: c } } ] }
          http_filters:
          - name: envoy.filters.http.buffer
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer
              max_request_bytes: 1048576
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
"""
_ENVOY_TLS = """transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            tls_certificates:
            - { certificate_chain: { filename: @installed@/cert.pem }, private_key: { filename: @installed@/key.pem } }"""


def envoy(installed: Path, work: Path, ports: Any) -> list[str]:
    """Write the configuration of Envoy with one cluster."""
    plain = _ENVOY_LISTENER.replace("@name@", "plain").replace("@port@", "@plain@").replace("@transport@", "name: f")
    tls = _ENVOY_LISTENER.replace("@name@", "tls").replace("@port@", "@tls@").replace("@transport@", _ENVOY_TLS)
    text = (
        "static_resources:\n  listeners:\n"
        + plain
        + tls
        + """  clusters:
  - name: c
    type: STATIC
    load_assignment:
      cluster_name: c
      endpoints:
      - lb_endpoints:
        - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: @upstream@ } } }
"""
    )
    path = _file(work, "envoy.yaml", text, **_values(installed, work, ports))
    program = next(installed.glob("py/lib/python3*/site-packages/envoy*/**/envoy"), installed / "py/bin/envoy")
    return [str(program), "-c", path, "--concurrency", "1", "--disable-hot-restart", "-l", "error"]
