"""A server of HTTP/2 over TLS, by Playwright's own Node.js: it answers 400, and tells what it was sent."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import playwright
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

__all__ = ["Http2Server", "serve_http2"]

NODE = Path(playwright.__file__).parent / "driver" / "node"
SERVER = """
const fs = require('fs'), [, , key, cert] = process.argv;
const server = require('http2').createSecureServer({key: fs.readFileSync(key), cert: fs.readFileSync(cert)});
server.on('stream', (stream, headers) => {
  console.log(JSON.stringify(Object.entries(headers)));
  stream.respond({':status': 400, 'content-type': 'text/html'});
  stream.end('no');
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
"""


class Http2Server:
    """Where it is; `received` are the header fields of the next request that it has got, in their order."""

    def __init__(self, url: str, told: asyncio.StreamReader) -> None:
        self.url, self._told = url, told

    async def received(self) -> list[tuple[str, str]]:
        return [(name, value) for name, value in json.loads(await self._told.readline())]


def _certify(key_path: Path, certificate_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    key_path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    certificate_path.write_bytes(certificate.public_bytes(pem))


@asynccontextmanager
async def serve_http2(folder: Path) -> AsyncIterator[Http2Server]:
    script, key, certificate = folder / "server.js", folder / "key.pem", folder / "certificate.pem"
    script.write_text(SERVER)
    _certify(key, certificate)
    process = await asyncio.create_subprocess_exec(NODE, script, key, certificate, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        port = int(await asyncio.wait_for(process.stdout.readline(), 60))
        yield Http2Server(f"https://127.0.0.1:{port}", process.stdout)
    finally:
        process.kill()
        await process.wait()
