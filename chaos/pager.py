"""The pager: an HTTP server that keeps every notification that it got, and can refuse, hang, or take and not answer."""

import asyncio
import time
from typing import Literal

from aiohttp import web

from chaos.history import ReceivedPage
from streams.alerts.notification import decode_notification
from streams.local.ports import HOST

__all__ = ["PagerServer"]

Mood = Literal["answers", "refuses", "is silent"]


class PagerServer:
    """Takes the webhook's requests; `pages` has all of them, in the order of their arrival."""

    def __init__(self) -> None:
        self.pages: list[ReceivedPage] = []
        self.mood: Mood = "answers"
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> None:
        """Listen on a free port."""
        app = web.Application()
        app.router.add_post("/", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, 0)
        await site.start()
        self.url = f"http://{HOST}:{self._runner.addresses[0][1]}/"

    async def stop(self) -> None:
        """Listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        note = decode_notification(await request.read())
        status = {"answers": 200, "refuses": 503, "is silent": None}[self.mood]
        self.pages.append(
            ReceivedPage(
                int(time.time() * 1000),
                note.id,
                note.incident,
                note.episode,
                note.action,
                note.severity,
                status,
                note.at,
            )
        )
        if status is None:
            await asyncio.sleep(30)
        return web.Response(status=status or 503)
