"""Lines of servers' logs as their documentation shows them, and lines of real servers."""
# ruff: noqa: E501 - a line of a log is one line

__all__ = ["ALB", "CADDY", "CLASSIC_LOAD_BALANCER", "COMBINED", "ENVOY", "ISTIO", "NGINX_MAIN", "SQUID", "SQUID_LINES"]

COMBINED = '83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /presentations/kibana-search.png HTTP/1.1" 200 203023 "http://semicomplete.com/" "Mozilla/5.0"'

# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html#access-log-entry-examples
ALB = 'http 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 0.000 0.001 0.000 200 200 34 366 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.46.0" - - arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 "Root=1-58337262-36d228ad5d99923122bbe354" "-" "-" 0 2018-07-02T22:22:48.364000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-" TID_1234abcd5678ef90'

# https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/access-log-collection.html#access-log-entry-examples
CLASSIC_LOAD_BALANCER = '2015-05-13T23:39:43.945958Z my-loadbalancer 192.168.131.39:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 200 0 29 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.38.0" - -'

# https://caddyserver.com/docs/logging#structured-logs
CADDY = '{"level":"info","ts":1646861401.5241024,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"127.0.0.1","remote_port":"41342","client_ip":"127.0.0.1","proto":"HTTP/2.0","method":"GET","host":"localhost","uri":"/","headers":{"User-Agent":["curl/7.82.0"],"Accept":["*/*"],"Accept-Encoding":["gzip, deflate, br"]},"tls":{"resumed":false,"version":772,"cipher_suite":4865,"proto":"h2","server_name":"example.com"}},"bytes_read": 0,"user_id":"","duration":0.000929675,"size":10900,"status":200,"resp_headers":{"Server":["Caddy"],"Content-Encoding":["gzip"],"Content-Type":["text/html; charset=utf-8"],"Vary":["Accept-Encoding"]}}'

# https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage#default-format-string
ENVOY = '[2016-04-15T20:17:00.310Z] "POST /api/v1/locations HTTP/2" 204 - 154 0 226 100 "10.0.35.28" "nsq2http" "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2" "locations" "tcp://10.0.2.1:80"'

# https://istio.io/latest/docs/tasks/observability/logs/access-log/#test-the-access-log
ISTIO = '[2020-11-25T21:26:18.409Z] "GET /status/418 HTTP/1.1" 418 - via_upstream - "-" 0 135 3 1 "-" "curl/7.73.0-DEV" "84961386-6d84-929d-98bd-c5aee93b5c88" "httpbin:8000" "127.0.0.1:80" inbound|8000|| 127.0.0.1:41854 10.44.1.27:80 10.44.1.23:37652 outbound_.8000_._.httpbin.foo.svc.cluster.local default'

# https://wiki.squid-cache.org/Features/LogFormat, and lines of a Squid 6
SQUID = (
    "1782858066.886    189 10.89.1.249 TCP_MISS/200 951 GET http://example.com/ - HIER_DIRECT/104.20.23.154 text/html"
)
SQUID_LINES = {
    "1798700010.456     30 10.0.0.6 TCP_DENIED/407 500 GET http://otro.com/ - HIER_NONE/- text/html": ("otro.com", 407),
    "1798700020.789    410 10.0.0.5 TCP_TUNNEL/200 8000 CONNECT shop.example:443 jperez HIER_DIRECT/203.0.113.5 -": (
        "shop.example",
        200,
    ),
    "1798700021.001      0 10.0.0.5 NONE_NONE/400 3860 - error:invalid-request - HIER_NONE/- text/html": (
        "squid.log",
        400,
    ),
}

# https://nginx.org/en/docs/http/ngx_http_log_module.html; what Debian's and nginx.org's packages have as `main`
NGINX_MAIN = """log_format  main  '$remote_addr - $remote_user [$time_local] "$request" '
                      '$status $body_bytes_sent "$http_referer" '
                      '"$http_user_agent" "$http_x_forwarded_for"';"""
