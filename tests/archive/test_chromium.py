"""Archived evidence opens in the devtools of a real Chromium, through the import of the network panel."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from streams.archive.har import har_of
from streams.archive.offence_archiver import redact_and_cut
from streams.local.ports import free_ports
from tests.archive.offences import SECRETS, offence, redactor
from tests.chromium import WHOLE_CHROMIUM, needs_whole_chromium

DEADLINE_S = 60.0
DEVTOOLS = "devtools://devtools/bundled/devtools_app.html"
IMPORT = """
(async (text) => {
  const [UI, Network, Logs] = await Promise.all(
    ['./ui/legacy/legacy.js', './panels/network/network.js', './models/logs/logs.js'].map(path => import(path)));
  await UI.ViewManager.ViewManager.instance().showView('network');
  const panel = Network.NetworkPanel.NetworkPanel.instance();
  await panel.networkLogView.onLoadFromFile(new File([text], 'evidence.har'));
  const row = request => request && {
    name: request.name(), method: request.requestMethod, url: request.url(), status: request.statusCode,
    requestHeaders: request.requestHeaders().map(({name, value}) => [name, value]),
    responseHeaders: request.responseHeaders.map(({name, value}) => [name, value]),
  };
  const [request] = Logs.NetworkLog.NetworkLog.instance().requests();
  return {...row(request), form: await request.requestFormData(), content: (await request.requestContentData()).text,
    count: Logs.NetworkLog.NetworkLog.instance().requests().length};
})
"""

Evaluate = Callable[[str], Awaitable[Any]]

pytestmark = needs_whole_chromium


@pytest.fixture
async def devtools(tmp_path: Path) -> AsyncIterator[Evaluate]:
    """The devtools of a headless Chromium as a page; evaluates JavaScript in it."""
    (port,) = free_ports(1)
    base = f"http://127.0.0.1:{port}"
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-allow-origins=*", "--no-first-run"]
    with (tmp_path / "chromium.log").open("wb") as log:
        chromium = await asyncio.create_subprocess_exec(
            str(WHOLE_CHROMIUM),
            *flags,
            f"--remote-debugging-port={port}",
            f"--user-data-dir={tmp_path / 'profile'}",
            stdout=log,
            stderr=log,
        )
    try:
        async with asyncio.timeout(DEADLINE_S), aiohttp.ClientSession() as session:
            while True:
                try:
                    page = await (await session.put(f"{base}/json/new?{DEVTOOLS}")).json()
                    break
                except aiohttp.ClientError:
                    assert chromium.returncode is None, (tmp_path / "chromium.log").read_text()
                    await asyncio.sleep(0.1)
            async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as connection:

                async def evaluate(expression: str) -> Any:
                    options = {"expression": expression, "awaitPromise": True, "returnByValue": True}
                    await connection.send_json({"id": 1, "method": "Runtime.evaluate", "params": options})
                    while (answer := await connection.receive_json()).get("id") != 1:
                        pass
                    assert "exceptionDetails" not in answer["result"], answer["result"]
                    return answer["result"]["result"].get("value")

                # The panels are made after the page has loaded.
                while not await evaluate("document.querySelector('.root-view') !== null"):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
                yield evaluate
    finally:
        chromium.kill()
        await chromium.wait()


@pytest.mark.slow
async def test_evidence_opens_in_the_network_panel(devtools: Evaluate) -> None:
    redacted = redact_and_cut(redactor, offence())
    har = har_of(redacted).decode()
    shown = await devtools(f"({IMPORT})({json.dumps(har)})")
    request, response = redacted.event.request, redacted.event.response
    assert shown["count"] == 1
    assert (shown["method"], shown["url"], shown["status"]) == (request.method, request.url, 400)
    assert [tuple(pair) for pair in shown["requestHeaders"]] == request.headers
    assert [tuple(pair) for pair in shown["responseHeaders"]] == response.headers
    assert shown["form"] == request.body
    assert shown["content"] == response.body
    for secret in SECRETS:
        assert secret not in json.dumps(shown)
