"""An S3 server in a thread whose delays and errors a test sets."""

import http.server
import threading

__all__ = ["ScriptedS3"]


class ScriptedS3(http.server.ThreadingHTTPServer):
    """Answers each PUT after `delay_s` with the next status of `answers`, 200 when there is none."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.delay_s = 0.0
        self.answers: list[int] = []
        self.stored: dict[str, bytes] = {}
        self.headers: dict[str, str] = {}
        self.encrypts = True
        self.code: str | None = None
        self.most_at_once = self.at_once = 0
        self.released = threading.Event()
        self.lock = threading.Lock()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedS3

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            status = self.server.answers.pop(0) if self.server.answers else 200
            self.server.at_once += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.at_once)
        self.server.released.wait(self.server.delay_s)
        with self.server.lock:
            self.server.at_once -= 1
            self.server.headers = dict(self.headers.items())
            if status == 200:
                self.server.stored[self.path] = body
        code = {403: "SignatureDoesNotMatch", 400: "InvalidArgument", 503: "SlowDown", 500: "InternalError"}
        answer = b"" if status == 200 else f"<Error><Code>{self.server.code or code[status]}</Code></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        if self.server.encrypts and (encryption := self.headers.get("x-amz-server-side-encryption")):
            self.send_header("x-amz-server-side-encryption", encryption)
        self.end_headers()
        self.wfile.write(answer)

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass
