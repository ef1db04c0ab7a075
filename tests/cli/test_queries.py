import asyncio
import json
import signal

import pytest

from streams.settings import Settings
from tests.api.conftest import Api, api, settings  # noqa: F401

from .command import Outcome, environment, run, start

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def ask(api: Api, *arguments: str) -> Outcome:  # noqa: F811
    return await run(*arguments, HALT400_API_PORT=str(api.server.port))


async def test_all_targets_are_shown_the_worst_first(api: Api) -> None:  # noqa: F811
    outcome = await ask(api, "rates")
    assert outcome.code == 0, outcome.err
    header, _, first, second, *_, last = outcome.lines
    assert header.split()[:3] == ["Target", "Responses", "400"]
    assert first.split()[:4] == ["api.shop.example", "100", "10", "10.00%"]
    assert second.split()[:4] == ["maps.example", "4", "3", "75.00%"]
    assert last.startswith("6 targets in 5m; as of 05:48:")


async def test_one_target_is_shown_in_every_window_and_for_ever(api: Api) -> None:  # noqa: F811
    outcome = await ask(api, "rates", "api.shop.example")
    rows = {line.split()[0]: line for line in outcome.lines}
    assert "10.00%" in rows["5m"]
    assert "1.82%" in rows["1h"]
    assert rows["ever"].split()[1:3] == ["1,109", "21"]
    assert outcome.lines[-1].startswith("last 400 05:44:20Z; 1 too late for any window; 3 from the future; as of")


async def test_what_nothing_was_seen_of_has_no_ratio(api: Api) -> None:  # noqa: F811
    outcome = await ask(api, "rates", "idle.example", "--window", "5m")
    (row,) = [line for line in outcome.lines if line.startswith("5m")]
    assert row.split()[3:] == ["-"] * 12


async def test_json_is_the_answer_of_the_api(api: Api) -> None:  # noqa: F811
    outcome = await ask(api, "rates", "api.shop.example", "--window", "1h", "--at", "2025-12-11T05:48:20Z")
    assert "1.82%" in outcome.out
    outcome = await ask(api, "rates", "maps.example", "--format", "json")
    answer = await api.get("/v1/targets/maps.example/rates")
    assert json.loads(outcome.out)["windows"] == answer["windows"]


async def test_quarantines_are_shown_with_what_is_wrong_and_how_long_they_hold(api: Api) -> None:  # noqa: F811
    outcome = await ask(api, "quarantines")
    assert outcome.code == 0, outcome.err
    row = next(line for line in outcome.lines if "extract-099" in line)
    for text in ("api.shop.example", "quarantined", "05:47:20Z", "5,015", "malformed_json", "file:///var/lib"):
        assert text in row
    assert "14m" in row
    assert outcome.lines[-1].startswith("4 quarantines; as of")
    expired = await ask(api, "quarantines", "--expired", "--job", "extract-102")
    assert "expired" in expired.lines[2]
    none = await ask(api, "quarantines", "--target", "nowhere.example")
    assert (none.code, len(none.lines)) == (0, 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rates", "api.shp.example"], "Did you mean api.shop.example?"),
        (["rates", "api.shop.example", "--window", "24h", "--at", "2025-12-11T05:00:00Z"], "kept from"),
        (["rates", "--url", "http://127.0.0.1:1"], "--url"),
        (["rates", "--url", "nonsense"], "--url"),
    ],
)
async def test_what_goes_wrong_is_one_line_that_says_what_to_do(api: Api, arguments: list[str], said: str) -> None:  # noqa: F811
    outcome = await ask(api, *arguments)
    assert outcome.code == 1
    assert len(outcome.err.splitlines()) == 1
    assert said in outcome.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["quarantines", "--state", "gone"], "quarantined, probing, released"),
        (["rates", "--window", "7m"], "24h"),
        (["rates", "api.shop.example", "--at", "yesterday"], "RFC 3339"),
        (["rates", "--at", "1"], "TARGET"),
        (["diagnose", "-", "--input", "xml"], "har"),
        (["release", "job/", "--reason", "r"], "job/TARGET/JOB"),
    ],
)
async def test_a_wrong_argument_ends_with_two_and_says_what_is_right(arguments: list[str], said: str) -> None:
    outcome = await run(*arguments)
    assert outcome.code == 2
    assert said in " ".join(outcome.err.replace("│", " ").split())


async def test_an_unrelated_host_is_not_offered_for_an_unknown_target(api: Api) -> None:  # noqa: F811
    outcome = await ask(api, "rates", "nowhere.example")
    assert outcome.code == 1
    assert "Did you mean" not in outcome.err


async def test_two_states_of_quarantines_are_shown_together(api: Api) -> None:  # noqa: F811
    outcome = await ask(api, "quarantines", "--state", "probing", "--state", "released")
    assert sorted(word for line in outcome.lines for word in line.split() if word in ("probing", "released")) == [
        "probing",
        "released",
    ]


async def test_the_api_serves_until_it_is_interrupted(api: Api, settings: Settings) -> None:  # noqa: F811
    process = await start("api", "--port", "0", variables=environment(settings))
    assert process.stdout is not None
    async with asyncio.timeout(30):
        line = (await process.stdout.readline()).decode()
        url = next(word for word in line.split() if word.startswith("http://")).rstrip(",")
        async with api.http.get(f"{url}/healthz") as response:
            assert response.status == 200
        taken = await run("api", "--port", url.rpartition(":")[2], settings=settings)
        assert taken.code == 1
        assert taken.err.count("\n") == 1
        assert "the port is in use" in taken.err
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert process.returncode == 0
    assert out.decode().splitlines()[-1] == "Stopped."
    assert "Traceback" not in err.decode()


async def test_alerts_list_shows_the_key_that_ack_takes(api: Api) -> None:  # noqa: F811
    outcome = await ask(api, "alerts", "list", "--state", "all")
    assert outcome.code == 0, outcome.err
    row = next(line for line in outcome.lines if line.startswith("api.shop.example/malformed_json"))
    assert row.split()[1:4] == ["05:47:20Z", "open", "1"]
    assert "channel" in row
    assert any("closed by alice" in line and "oncall (undelivered)" in line for line in outcome.lines)
    assert outcome.lines[-1].startswith("2 incidents; as of 05:48:")
    answered = await ask(api, "alerts", "list", "--format", "json")
    assert [found["key"] for found in json.loads(answered.out)["incidents"]] == ["api.shop.example/malformed_json"]
