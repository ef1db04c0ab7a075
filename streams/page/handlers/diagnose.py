"""Diagnose: paste a request, and read what is wrong with it; the code is that of `halt400 diagnose`."""

import asyncio

from aiohttp import web

from halt400.errors import Halt400Error
from halt400.exchanges import RecordedExchange
from halt400.exchanges.resend import curl_command, raw_request
from streams.api.access.middleware import allows
from streams.api.handlers.diagnosis import MOST_INPUT_BYTES, Diagnosed, diagnose_text
from streams.api.log_records import parse_place
from streams.api.problems import raise_problem
from streams.page.context import PageContext, query_text

__all__ = ["DiagnoseHandlers"]

MOST_SHOWN_EXCHANGES = 50


class DiagnoseHandlers:
    """Answers with the form, and with what is wrong."""

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self.routes = [web.get("/diagnose", self.form), web.post("/diagnose", self.diagnose)]

    async def form(self, request: web.Request) -> web.Response:
        """Answer with the form; the parameter `offence` names one whose request is in it, with what is wrong."""
        place = parse_place(query_text(request, "offence"))
        offence = None if place is None else await self._context.model.logs.offence(place)
        if offence is None:
            return self._context.page(request, "diagnose.html", text="", found=None, more=0, problem=None)
        sent, curl = offence.event.request, curl_command(offence.event.request)
        # What curl would change is a command of another program, which is no input.
        text = curl if curl.startswith("curl ") else raw_request(sent).decode(errors="replace")
        exchange = RecordedExchange(where="offence", request=sent, response=offence.event.response)
        return self._answer(request, text, [Diagnosed(exchange, offence.diagnosis)])

    @allows("read")
    async def diagnose(self, request: web.Request) -> web.Response:
        """Answer with what is wrong with the requests in the form's text."""
        form = await request.clone(client_max_size=MOST_INPUT_BYTES).post()
        text = form.get("text", "")
        if not isinstance(text, str):
            raise_problem(400, "bad_body", "The field text is a file.", "Paste the text.")
        # A browser sends the line feeds of a form as CRLF.
        text = text.replace("\r\n", "\n")
        try:
            found = await asyncio.to_thread(diagnose_text, text)
        except Halt400Error as error:
            return self._context.page(request, "diagnose.html", text=text, found=None, more=0, problem=error)
        return self._answer(request, text, found)

    def _answer(self, request: web.Request, text: str, found: list[Diagnosed]) -> web.Response:
        shown = found[:MOST_SHOWN_EXCHANGES]
        return self._context.page(
            request, "diagnose.html", text=text, found=shown, more=len(found) - len(shown), problem=None
        )
