"""Nothing that is logged holds a secret, tracebacks included."""

import io
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from halt400.redaction import RedactingFormatter, RedactionRules, Redactor


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(RedactingFormatter(Redactor(RedactionRules(), b"the key of the redaction's tests")))
    log = logging.getLogger("test.redaction")
    log.addHandler(handler)
    log.propagate = False
    yield stream
    log.removeHandler(handler)


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("GET https://ann:s3cret-Pw@a.example/?token=%s failed", ("s3cret-Pw",)),
        ("headers: %r", ([("Authorization", "Bearer s3cret-Pw"), ("X-Api-Key", "s3cret-Pw")],)),
        ("headers: %r", ({"authorization": "Basic YTpzM2NyZXQtUHc=", "cookie": "a=s3cret-Pw"},)),
        ("body %s", ('{"password": "s3cret-Pw", }',)),
        ("raw %r", (b"POST / HTTP/1.1\r\nAuthorization: Bearer s3cret-Pw\r\n\r\n",)),
        ("curl -H 'Authorization: Bearer s3cret-Pw' --data 'password=s3cret-Pw&a=1'", ()),
        ("password=s3cret-Pw refused: s3cret-Pw is wrong", ()),
    ],
)
def test_a_message_is_redacted_with_its_arguments(stream: io.StringIO, message: str, arguments: tuple[object]) -> None:
    logging.getLogger("test.redaction").warning(message, *arguments)
    assert "s3cret-Pw" not in stream.getvalue()
    assert "YTpzM2NyZXQtUHc" not in stream.getvalue()
    assert stream.getvalue()


def test_a_traceback_is_redacted(stream: io.StringIO) -> None:
    try:
        try:
            raise ValueError('cannot decode {"api_key": "s3cret-Pw"}')
        except ValueError as error:
            raise RuntimeError("while sending Authorization: Bearer s3cret-Pw") from error
    except RuntimeError:
        logging.getLogger("test.redaction").exception("failed")
    written = stream.getvalue()
    assert "s3cret-Pw" not in written
    assert "RuntimeError: while sending Authorization: Bearer " in written
    assert "ValueError: cannot decode" in written


@pytest.mark.slow
def test_the_log_of_a_worker_is_redacted_with_its_tracebacks() -> None:
    script = """
import logging
from halt400.redaction import Redactor, RedactionRules
from streams.logs import log_to_stderr
from streams.settings import load_settings
log_to_stderr(load_settings(), Redactor(RedactionRules(), b"the key of the log's tests"), "detect")
log = logging.getLogger("halt400.worker")
log.info("GET https://t/?api_key=%s", "qz-81-Klm-99")
try:
    raise ValueError("Authorization: Bearer abcdefgh12345678")
except ValueError:
    log.exception("it failed")
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stderr
    assert "qz-81-Klm-99" not in told
    assert "abcdefgh12345678" not in told
    assert "INFO    halt400.worker: GET https://t/?api_key=" in told
    assert "Traceback" in told
