from contextlib import suppress

import pytest

from halt400.start_stop import StartStop


class Recorder(StartStop):
    def __init__(self) -> None:
        self.calls: list[str] = []

    async def start(self) -> None:
        self.calls.append("start")

    async def stop(self) -> None:
        self.calls.append("stop")


class StartsAtOnce(Recorder):
    def start(self) -> None:  # type: ignore[override]
        self.calls.append("start")


@pytest.mark.parametrize("kind", [Recorder, StartsAtOnce])
async def test_entering_starts_and_leaving_stops_even_after_an_error(kind: type[Recorder]) -> None:
    recorder = kind()
    with suppress(ZeroDivisionError):
        async with recorder as entered:
            assert entered.calls == ["start"]
            raise ZeroDivisionError
    assert recorder.calls == ["start", "stop"]
