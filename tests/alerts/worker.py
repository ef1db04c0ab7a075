"""A worker with the alert agent alone: in this process, or as one of its own that can be killed."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from streams.alerts.config import load_alerts
from streams.alerts.dispatcher import AlertDispatcher
from streams.settings import Settings, load_settings
from streams.transport import install
from streams.worker.agents import alert
from streams.worker.faust_app import new_app


@asynccontextmanager
async def running(settings: Settings, config: Path, clock: Callable[[], float]) -> AsyncIterator[AlertDispatcher]:
    """Run the agent on `control`, with the sinks and routes of a file; secrets come from the environment."""
    app = new_app(settings, "alert-test")
    watermarks = install(app)
    alerts = load_alerts(config)
    dispatcher, _ = alert.register(
        app,
        settings,
        watermarks,
        routing=alerts.routing,
        sinks=alerts.make_sinks(os.environ),
        redact=str,
        clock=clock,
        tick_interval_s=0.05,
    )

    @app.on_partitions_revoked.connect  # type: ignore[untyped-decorator]
    async def forget(_app: object, revoked: set[object], **_: object) -> None:
        watermarks.drop(revoked)  # type: ignore[arg-type]

    await app.start_services()
    await app.start()
    try:
        yield dispatcher
        assert app.failure is None
    finally:
        await app.stop()
        await app.stop_services()


async def main(config: Path) -> None:
    import time

    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with running(load_settings(), config, time.time):
        await stopped.wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
