"""The servers and edges that refuse requests themselves: by what a refusal of each is known, and why it refuses.

The signs of those that can be run are from what they answered to the requests of ``corpus/servers``; those of the
others from the documentation or source that each entry names.
"""

# ruff: noqa: E501 - a table of texts and sources reads best with one entry a line
from __future__ import annotations

from msgspec import Struct

__all__ = ["JSON_SIGNS", "KNOWN", "PAGES", "SERVER_FIELDS", "SHAPES", "Answerer"]


class Answerer(Struct, frozen=True):
    """Who answered: an edge (a proxy, load balancer or CDN) or the HTTP server of the origin; why it does so, and the source."""

    name: str
    edge: bool
    why: str
    source: str


_PARSER = "Its parser refuses a request that breaks HTTP before the application sees it"

KNOWN = {
    name: Answerer(name, edge, why, source)
    for name, edge, why, source in (
        ("nginx", True, "It refuses a request line, Host or header that its parser does not take, before a location is chosen", "https://nginx.org/en/docs/http/ngx_http_core_module.html#ignore_invalid_headers"),
        ("OpenResty", True, "It refuses a request line, Host or header that nginx's parser does not take", "https://nginx.org/en/docs/http/ngx_http_core_module.html#ignore_invalid_headers"),
        ("Apache httpd", True, "HttpProtocolOptions Strict refuses what RFC 7230 forbids", "https://httpd.apache.org/docs/2.4/mod/core.html#httpprotocoloptions"),
        ("HAProxy", True, "Its parser refuses the request (termination state PR), as long as accept-invalid-http-request is off", "https://docs.haproxy.org/3.0/configuration.html#8.5"),
        ("Varnish", True, "It refuses a request that it cannot parse, or that its VCL answers itself", "https://github.com/varnishcache/varnish-cache/blob/master/bin/varnishd/http1/cache_http1_proto.c"),
        ("Fastly", True, "The edge answered from its own configuration: it knows no service for the request, or cannot parse it", "https://www.fastly.com/documentation/reference/http/http-headers/X-Served-By/"),
        ("lighttpd", True, "server.http-parseopts refuses header and URL characters that it counts as unsafe", "https://redmine.lighttpd.net/projects/lighttpd/wiki/Server_http-parseoptsDetails"),
        ("Squid", True, "The proxy answered with a page of its own (ERR_...): it could not parse or forward the request", "https://www.squid-cache.org/Doc/config/relaxed_header_parser/"),
        ("H2O", True, _PARSER, "https://github.com/h2o/h2o/blob/master/lib/http1.c"),
        ("Apache Traffic Server", True, "It refuses a request that its parser does not take", "https://docs.trafficserver.apache.org/en/latest/admin-guide/files/records.yaml.en.html#proxy.config.http.strict_uri_parsing"),
        ("Caddy", True, "It answered before its handlers, or one of them answered", "https://caddyserver.com/docs/caddyfile/options#servers"),
        ("Envoy", True, "Its codec refuses the request (http1.codec_error and its like in RESPONSE_CODE_DETAILS)", "https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/response_code_details"),
        ("Cloudflare", True, "The edge refuses special characters that are not percent-encoded, contradictory framing, or plain HTTP on a TLS port", "https://developers.cloudflare.com/support/troubleshooting/http-status-codes/4xx-client-error/error-400/"),
        ("CloudFront", True, "The edge refuses a request that it cannot parse, or that no distribution takes", "https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/http-400-bad-request.html"),
        ("AWS load balancer", True, "It refuses a malformed request, headers above 16 KB a line or 64 KB in all, and a client that closes before the body is whole", "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html"),
        ("API Gateway", True, "The gateway answered, not the integration: a request validator, or a request that it cannot read", "https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html"),
        ("Akamai", True, "The edge refuses the URL or the request; the reference number tells its operator why", "https://techdocs.akamai.com/edge-diagnostics/docs/translate-error-string"),
        ("Google front end", True, "The front end refuses a malformed or illegal request before a backend is chosen", "https://cloud.google.com/load-balancing/docs/https/https-logging-monitoring"),
        ("Azure Front Door", True, "The edge has no route for this host, path or scheme, or cannot parse the request", "https://learn.microsoft.com/azure/frontdoor/troubleshoot-issues"),
        ("Azure Application Gateway", True, "The gateway refuses a request that breaks HTTP, or a missing client certificate", "https://learn.microsoft.com/azure/application-gateway/http-response-codes"),
        ("Kong", True, "The gateway answered with its own error document, not the upstream", "https://github.com/Kong/kong/blob/master/kong/error_handlers.lua"),
        ("Apigee", True, "The gateway answered with a fault of its own (messaging.adaptors...)", "https://cloud.google.com/apigee/docs/api-platform/troubleshoot/runtime/400-bad-request"),
        ("LiteSpeed", True, _PARSER, "https://docs.litespeedtech.com/lsws/"),
        ("IIS (HTTP.sys)", False, "The kernel driver HTTP.sys refuses it before IIS or the application; httperr.log has the reason", "https://learn.microsoft.com/troubleshoot/developer/webapps/aspnet/site-behavior-performance/error-logging-http-apis"),
        ("Kestrel", False, "BadHttpRequestException: Kestrel's parser refuses it before the middleware", "https://learn.microsoft.com/dotnet/api/microsoft.aspnetcore.http.badhttprequestexception"),
        ("Tomcat", False, "The connector refuses it (rejectIllegalHeader, relaxedQueryChars) before a servlet", "https://tomcat.apache.org/tomcat-10.1-doc/config/http.html"),
        ("Jetty", False, "HttpCompliance and UriCompliance refuse it before a handler", "https://jetty.org/docs/jetty/12/programming-guide/server/compliance.html"),
        ("Undertow", False, _PARSER, "https://github.com/undertow-io/undertow/blob/main/core/src/main/java/io/undertow/server/protocol/http/HttpReadListener.java"),
        ("Netty", False, "The decoder failed (DecoderResult), and the server answered without asking the application", "https://netty.io/4.2/api/io/netty/handler/codec/DecoderResult.html"),
        ("Vert.x", False, "The invalid request handler answered a request that the decoder refused", "https://vertx.io/docs/apidocs/io/vertx/core/http/HttpServer.html"),
        ("Grizzly", False, _PARSER, "https://javaee.github.io/grizzly/httpserverframework.html"),
        ("JDK HttpServer", False, _PARSER, "https://github.com/openjdk/jdk/blob/master/src/jdk.httpserver/share/classes/sun/net/httpserver/ServerImpl.java"),
        ("Node.js", False, "The parser llhttp refuses it, and the default of clientError answers", "https://nodejs.org/api/http.html#event-clienterror"),
        ("Express", False, "Its middleware (body-parser, or the decoding of the path) refuses the request", "https://github.com/expressjs/body-parser#errors"),
        ("Fastify", False, "The framework refuses the request (codes FST_ERR_...) before the route", "https://fastify.dev/docs/latest/Reference/Errors/"),
        ("Bun", False, _PARSER, "https://bun.com/docs/api/http"),
        ("hyper", False, _PARSER, "https://docs.rs/hyper/latest/hyper/server/conn/http1/struct.Builder.html"),
        ("Go net/http", False, "The server of Go's standard library (Caddy's and Traefik's, too) refuses it before a handler; before its routers Traefik also refuses '#' and listed escapes such as %2F in a path (https://github.com/traefik/traefik/blob/master/pkg/server/router/deny.go)", "https://github.com/golang/go/blob/master/src/net/http/server.go"),
        ("fasthttp", False, _PARSER, "https://pkg.go.dev/github.com/valyala/fasthttp#Server"),
        ("gunicorn", False, "The worker's parser refuses it before the application", "https://docs.gunicorn.org/en/stable/settings.html#limit-request-line"),
        ("uvicorn", False, "h11 or httptools cannot parse it, so the application is not called", "https://github.com/encode/uvicorn/blob/master/uvicorn/protocols/http/h11_impl.py"),
        ("Hypercorn", False, "h11 cannot parse it, so the application is not called", "https://github.com/pgjones/hypercorn/blob/main/src/hypercorn/protocol/h11.py"),
        ("aiohttp", False, _PARSER, "https://github.com/aio-libs/aiohttp/blob/master/aiohttp/http_exceptions.py"),
        ("Waitress", False, _PARSER, "https://github.com/Pylons/waitress/blob/main/src/waitress/parser.py"),
        ("Cheroot", False, _PARSER, "https://github.com/cherrypy/cheroot/blob/main/cheroot/server.py"),
        ("Tornado", False, _PARSER, "https://github.com/tornadoweb/tornado/blob/master/tornado/http1connection.py"),
        ("Twisted", False, _PARSER, "https://github.com/twisted/twisted/blob/trunk/src/twisted/web/http.py"),
        ("gevent", False, _PARSER, "https://github.com/gevent/gevent/blob/master/src/gevent/pywsgi.py"),
        ("Werkzeug", False, "The development server's parser refuses it", "https://github.com/pallets/werkzeug/blob/main/src/werkzeug/serving.py"),
        ("Python http.server", False, _PARSER, "https://github.com/python/cpython/blob/main/Lib/http/server.py"),
    )
}  # fmt: skip

PAGES = (
    ("<hr><center>cloudflare", "Cloudflare"),
    ("<hr><center>openresty", "OpenResty"),
    ("<hr><center>nginx", "nginx"),
    ("<hr><center>tengine", "nginx"),
    ("<center>awselb", "AWS load balancer"),
    ("microsoft-azure-application-gateway", "Azure Application Gateway"),
    ("generated by cloudfront", "CloudFront"),
    ("our services aren't available right now", "Azure Front Door"),
    ("azure front door", "Azure Front Door"),
    ("your client has issued a malformed or illegal request", "Google front end"),
    ("fastly error:", "Fastly"),
    ("in use with this connection", "Fastly"),
    ("errors.edgesuite.net", "Akamai"),
    ('the requested url "', "Akamai"),
    ("the requested url &#34;", "Akamai"),
    ("<h2>bad request - ", "IIS (HTTP.sys)"),
    ("<p>http error 400. ", "IIS (HTTP.sys)"),
    ("your browser sent an invalid request.", "HAProxy"),
    ("guru meditation", "Varnish"),
    ("<!-- err_", "Squid"),
    ("(squid/", "Squid"),
    ("generated by waitress", "Waitress"),
    ("litespeed web server", "LiteSpeed"),
    ("<h1><p>", "gunicorn"),
    ("invalid http request received.", "uvicorn"),
    ("http status 4", "Tomcat"),
    ("http status 5", "Tomcat"),
    ("powered by jetty", "Jetty"),
    ("<tr><th>uri:</th>", "Jetty"),
    ("<h1>bad message 4", "Jetty"),
    ("<h1>bad message 5", "Jetty"),
    ("<p>error code explanation:", "Python http.server"),
    ("error when parsing request", "fasthttp"),
    ("too big request header", "fasthttp"),
    ("description: could not process this request", "Apache Traffic Server"),
    ("description: unable to provide the document", "Apache Traffic Server"),
    ("this server could not understand.", "Apache httpd"),
    ("is larger than the system allows", "Apache httpd"),
    ("the expectation given in the expect request-header", "Apache httpd"),
    ("capacity limit.", "Apache httpd"),
    ("<h1>400 bad request</h1>header key", "JDK HttpServer"),
    ("<h1>400 bad request</h1>urisyntax", "JDK HttpServer"),
    ("<h1>400 bad request</h1>bad request line", "JDK HttpServer"),
    ("unsupported transfer-encoding value", "JDK HttpServer"),
    ("client sent an http request to an https server", "Go net/http"),
    ("unsupported transfer encoding", "Go net/http"),
    ("http: request body too large", "Go net/http"),
    ("upstream connect error", "Envoy"),
    ("no healthy upstream", "Envoy"),
)  # fmt: skip
"""A text in lower case that a page of this server or edge holds; the first that is found decides."""

SERVER_FIELDS = (
    ("cloudfront", "CloudFront"),
    ("cloudflare", "Cloudflare"),
    ("akamaighost", "Akamai"),
    ("awselb", "AWS load balancer"),
    ("microsoft-azure-application-gateway", "Azure Application Gateway"),
    ("google frontend", "Google front end"),
    ("gws", "Google front end"),
    ("gse", "Google front end"),
    ("microsoft-httpapi", "IIS (HTTP.sys)"),
    ("kong", "Kong"),
    ("openresty", "OpenResty"),
    ("nginx", "nginx"),
    ("tengine", "nginx"),
    ("apache-coyote", "Tomcat"),
    ("apache", "Apache httpd"),
    ("varnish", "Varnish"),
    ("lighttpd", "lighttpd"),
    ("squid", "Squid"),
    ("h2o", "H2O"),
    ("ats", "Apache Traffic Server"),
    ("caddy", "Caddy"),
    ("envoy", "Envoy"),
    ("istio-envoy", "Envoy"),
    ("litespeed", "LiteSpeed"),
    ("kestrel", "Kestrel"),
    ("jetty", "Jetty"),
    ("gunicorn", "gunicorn"),
    ("uvicorn", "uvicorn"),
    ("hypercorn", "Hypercorn"),
    ("waitress", "Waitress"),
    ("cheroot", "Cheroot"),
    ("cherrypy", "Cheroot"),
    ("tornadoserver", "Tornado"),
    ("twistedweb", "Twisted"),
    ("daphne", "Twisted"),
    ("fasthttp", "fasthttp"),
    ("werkzeug", "Werkzeug"),
    ("basehttp", "Python http.server"),
    ("granian", "hyper"),
)
"""How the Server field of a response begins, in lower case."""

SHAPES = {
    "": "Varnish or Tornado or Twisted",
    "Connection": "Node.js or Bun",
    "Connection Date Transfer-Encoding": "Node.js",
    "Date Connection Transfer-Encoding": "Node.js",
    "Content-Length Connection": "Undertow",
    "Connection Content-Length Date": "Undertow",
    "content-length": "Netty or Vert.x",
    "content-length connection": "Netty or Vert.x",
    "connection content-length": "Vert.x",
    "Connection Content-length": "gevent",
    "Content-Type Connection Content-Length Date": "gevent",
    "Content-Length": "Grizzly",
    "Date Connection Content-Length": "Grizzly",
    "Connection Date Content-Length": "Go net/http",
    "content-length date": "hyper",
    "content-length date connection": "hyper",
    "connection content-length date": "hyper",
}
"""By the names of the fields of an empty refusal that names no server, in order and in their case."""

JSON_SIGNS = (
    ('"fst_err_', "Fastify"),
    ('"message":"client error","statuscode":', "Fastify"),
    ('"message":"exceeded maximum allowed http header size","statuscode":', "Fastify"),
    ('"messaging.adaptors', "Apigee"),
)
"""As `PAGES`, for JSON documents."""
