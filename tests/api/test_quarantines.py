from types import SimpleNamespace
from urllib.parse import quote

import msgspec
import pytest

from halt400.records import Command
from streams.operations import CommandLog

from .conftest import Api
from .fleet import COMMANDS, NOW_MS, command

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHOP = "job/api.shop.example/extract-"


def ids(page: dict) -> list[str]:
    return [quarantine["id"] for quarantine in page["quarantines"]]


async def test_quarantines_in_force_are_listed_latest_command_first(api: Api) -> None:
    page = await api.get("/v1/quarantines")
    assert ids(page) == [
        f"{SHOP}100",
        f"{SHOP}099",
        "job/maps.example/team/night run",
        "target/maps.example",
    ]
    assert all(quarantine["in_force"] for quarantine in page["quarantines"])


async def test_a_quarantine_has_all_fields_of_its_command(api: Api) -> None:
    answer = await api.get(f"/v1/quarantines/{SHOP}099")
    assert answer.pop("id") == f"{SHOP}099"
    assert answer.pop("in_force") is True
    del answer["not_sent"]
    assert msgspec.convert(answer, Command, strict=True) == COMMANDS[0]


async def test_a_quarantine_says_what_the_gates_did_not_send_because_of_it(api: Api) -> None:
    assert (await api.get(f"/v1/quarantines/{SHOP}099"))["not_sent"] == {"requests": 5015, "gates": 2}
    assert (await api.get(f"/v1/quarantines/{SHOP}100"))["not_sent"] is None


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("state=quarantined&target=api.shop.example", [f"{SHOP}099"]),
        ("state=probing", [f"{SHOP}100"]),
        ("state=released", [f"{SHOP}101"]),
        ("state=released,probing", [f"{SHOP}100", f"{SHOP}101"]),
        ("target=api.shop.example&expired=true", [f"{SHOP}100", f"{SHOP}099", f"{SHOP}102"]),
        ("job_id=extract-102", []),
        ("job_id=extract-102&expired=true", [f"{SHOP}102"]),
        ("target=nowhere.example", []),
        ("target=null", []),
        ("limit=1&offset=3", ["target/maps.example"]),
    ],
)
async def test_the_list_is_filtered(api: Api, query: str, expected: list[str]) -> None:
    assert ids(await api.get(f"/v1/quarantines?{query}")) == expected


async def test_an_expired_or_released_quarantine_can_be_requested_and_is_not_in_force(api: Api) -> None:
    expired = await api.get(f"/v1/quarantines/{SHOP}102")
    assert (expired["state"], expired["in_force"]) == ("quarantined", False)
    assert expired["expires_at"] < NOW_MS
    released = await api.get(f"/v1/quarantines/{SHOP}101")
    assert (released["state"], released["in_force"]) == ("released", False)


@pytest.mark.parametrize("safe", ["/", ""])
async def test_the_slashes_of_a_scope_may_stay_or_be_encoded(api: Api, safe: str) -> None:
    scope = "job/maps.example/team/night run"
    answer = await api.get(f"/v1/quarantines/{quote(scope, safe=safe)}")
    assert answer["scope"]["job_id"] == "team/night run"


async def test_an_unknown_scope_is_a_problem(api: Api) -> None:
    problem = await api.get(f"/v1/quarantines/{SHOP}098", 404)
    assert problem["code"] == "unknown_quarantine"
    assert f"{SHOP}098" in problem["detail"]


@pytest.mark.parametrize(
    ("query", "states"),
    [
        (f"scope={SHOP}101", ["released"]),
        ("target=maps.example", ["quarantined", "quarantined"]),
        ("job_id=extract-100", ["probing"]),
        ("state=released,probing", ["probing", "released"]),
        (f"since={NOW_MS - 1_000}", ["probing"]),
        ("target=none.example", []),
    ],
)
async def test_the_history_of_commands_is_filtered(api: Api, query: str, states: list[str]) -> None:
    assert [command["state"] for command in (await api.get(f"/v1/commands?{query}"))["commands"]] == states


async def test_the_latest_commands_are_kept_once() -> None:
    log = CommandLog(most=3)
    records = [
        SimpleNamespace(value=msgspec.json.encode(command("target", "a", command_id=f"c{number}", issued_at=number)))
        for number in range(1, 6)
    ]
    log.add(records[:4])
    log.add(records[2:])
    found = [decode() for decode in log.find(lambda scope, state, at: True)]
    assert [known.command_id for known in found if known] == ["c5", "c4", "c3"]
    assert log.get("c4") is not None
    assert log.get("c1") is None
