"""The files that a browser loads beside the pages: from memory, under addresses with their hash, so kept for good."""

import gzip
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from aiohttp import web

from streams.api.access.middleware import allows

__all__ = ["Assets"]

DIRECTORY = Path(__file__).parent / "assets"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_NAMES = ("vendor/pico.classless.min.css", "vendor/htmx.min.js", "halt400.css", "halt400.js", "icon.svg")


@dataclass(frozen=True)
class _Asset:
    path: str
    content_type: str
    body: bytes
    compressed: bytes


class Assets:
    """Reads the files once and serves them."""

    def __init__(self) -> None:
        found = [_read(name) for name in _NAMES]
        self._by_path = {asset.path: asset for asset in found}
        self._path_of = dict(zip(_NAMES, (asset.path for asset in found), strict=True))

    def address(self, name: str) -> str:
        """Return the address of a file."""
        return self._path_of[name]

    @allows("everyone")
    async def serve(self, request: web.Request) -> web.Response:
        """Answer with a file."""
        asset = self._by_path.get(request.path)
        if asset is None:
            raise web.HTTPNotFound
        headers = {"Vary": "Accept-Encoding"}
        is_compressed = "gzip" in request.headers.get("Accept-Encoding", "")
        if is_compressed:
            headers["Content-Encoding"] = "gzip"
        body = asset.compressed if is_compressed else asset.body
        return web.Response(body=body, content_type=asset.content_type, charset="utf-8", headers=headers)


def _read(name: str) -> _Asset:
    path = DIRECTORY / name
    body = path.read_bytes()
    address = f"/assets/{sha256(body).hexdigest()[:16]}/{path.name}"
    return _Asset(address, _TYPES[path.suffix], body, gzip.compress(body, mtime=0))
