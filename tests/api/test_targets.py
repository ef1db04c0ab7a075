from urllib.parse import quote

import pytest

from streams.api.query_parameters import parse_time

from .conftest import Api
from .fleet import MINUTE_MS, NOW_MS, ROWS

pytestmark = pytest.mark.asyncio(loop_scope="module")


def names(page: dict) -> list[str]:
    return [target["target"] for target in page["targets"]]


async def test_all_targets_are_listed_by_name_with_their_last_five_minutes(api: Api) -> None:
    page = await api.get("/v1/targets")
    assert names(page) == sorted(ROWS)
    assert page["total"] == len(ROWS)
    assert page["next"] is None
    shop = page["targets"][0]
    assert shop["target"] == "api.shop.example"
    assert shop["window"] | {"classes": None} == {
        "window": "5m",
        "window_s": 300,
        "start": NOW_MS - 300_000,
        "end": NOW_MS,
        "responses": 100,
        "bad_requests": 10,
        "bad_request_ratio": 0.1,
        "classes": None,
    }
    assert shop["window"]["classes"] == {
        "2xx": 87, "3xx": 0, "400": 10, "401": 0, "403": 0, "404": 0, "422": 0, "429": 2, "5xx": 1, "other": 0,
    }  # fmt: skip
    assert shop["totals"]["responses"] == 100 + 1000 + 1 + 7 + 1
    assert (shop["late"], shop["late_bad_requests"], shop["skewed"]) == (1, 1, 3)
    assert shop["last_bad_request"] == NOW_MS - 4 * MINUTE_MS
    assert shop["quarantines"] == 2


async def test_a_ratio_without_responses_is_null_and_not_zero(api: Api) -> None:
    page = await api.get("/v1/targets?prefix=idle")
    assert page["targets"][0]["window"]["bad_request_ratio"] is None
    assert page["targets"][0]["last_bad_request"] is None
    assert page["targets"][0]["totals"]["responses"] == 5


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("prefix=api.", ["api.shop.example", "api.shop.example:8443"]),
        ("quarantined=true", ["api.shop.example", "maps.example"]),
        ("quarantined=true&sort=-bad_request_ratio", ["maps.example", "api.shop.example"]),
        ("sort=-bad_requests&limit=2", ["api.shop.example", "maps.example"]),
        ("sort=-last_bad_request&prefix=api", ["api.shop.example", "api.shop.example:8443"]),
        ("sort=bad_request_ratio&quarantined=false&limit=1", ["api.shop.example:8443"]),
        ("sort=-target&limit=1", [sorted(ROWS)[-1]]),
        ("window=24h&sort=-responses&limit=1", ["api.shop.example"]),
        ("prefix=nothing", []),
    ],
)
async def test_the_list_is_filtered_and_sorted(api: Api, query: str, expected: list[str]) -> None:
    assert names(await api.get(f"/v1/targets?{query}")) == expected


@pytest.mark.parametrize("sort", ["target", "-responses"])
async def test_the_pages_together_have_every_target_once(api: Api, sort: str) -> None:
    found, path = [], f"/v1/targets?limit=2&sort={sort}"
    while path:
        page = await api.get(path)
        assert page["total"] == len(ROWS)
        found += names(page)
        path = page["next"]
    assert sorted(found) == sorted(ROWS)


@pytest.mark.parametrize(
    ("window", "responses", "bad_requests"),
    [("1m", 2, 0), ("5m", 100, 10), ("15m", 100, 10), ("1h", 1100, 20), ("6h", 1100, 20), ("24h", 1101, 21)],
)
async def test_every_window_counts_what_lies_in_it(api: Api, window: str, responses: int, bad_requests: int) -> None:
    answer = await api.get(f"/v1/targets/api.shop.example/rates?window={window}")
    assert list(answer["windows"]) == [window]
    found = answer["windows"][window]
    assert (found["responses"], found["bad_requests"]) == (responses, bad_requests)
    assert found["bad_request_ratio"] == pytest.approx(bad_requests / responses)
    assert found["end"] - found["start"] == found["window_s"] * 1000
    assert sum(found["classes"].values()) == responses


async def test_all_windows_are_counted_where_none_is_named(api: Api) -> None:
    answer = await api.get("/v1/targets/api.shop.example/rates")
    assert list(answer["windows"]) == ["1m", "5m", "15m", "1h", "6h", "24h"]
    assert 0 <= NOW_MS - answer["as_of"] < 5_000


@pytest.mark.parametrize("query", ["window=1m&window=1h", "window=1m,1h"])
async def test_several_windows_can_be_requested(api: Api, query: str) -> None:
    answer = await api.get(f"/v1/targets/api.shop.example/rates?{query}")
    assert list(answer["windows"]) == ["1m", "1h"]


@pytest.mark.parametrize(
    "at",
    [
        str(NOW_MS - 49 * MINUTE_MS),
        "2025-12-11T04:59:20Z",
        "2025-12-11T06:59:20%2B02:00",
        "2025-12-11T06:59:20+02:00",
    ],
)
async def test_a_window_can_end_at_any_moment(api: Api, at: str) -> None:
    answer = await api.get(f"/v1/targets/api.shop.example/rates?window=5m&at={at}")
    found = answer["windows"]["5m"]
    assert found["end"] == 1_765_429_200_000, "rounded up to a whole minute, since that long ago is kept by the minute"
    assert found["responses"] == 1000


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("0001-01-01T00:00:00+14:00", 0),
        ("1969-12-31T23:59:59Z", 0),
        ("1970-01-01T00:00:01.5-01:00", 3_601_500),
        ("2016-12-31T23:59:60Z", 1_483_228_799_000),
        ("9999-12-31T23:59:59.9999-14:00", 253_402_351_199_999),
    ],
)
async def test_every_time_of_the_calendar_is_a_time(text: str, time_ms: int) -> None:
    assert parse_time(text) == time_ms


async def test_a_window_that_is_no_longer_kept_is_refused_and_not_counted_as_empty(api: Api) -> None:
    problem = await api.get("/v1/targets/api.shop.example/rates?window=24h&at=2025-12-11T05:00:00Z", 404)
    assert problem["code"] == "window_not_kept"
    assert problem["parameter"] == "at"


async def test_no_window_is_refused_of_a_target_whose_counts_are_all_kept(api: Api) -> None:
    answer = await api.get("/v1/targets/idle.example/rates?window=24h&at=2025-12-09T05:00:00Z")
    assert answer["windows"]["24h"]["bad_request_ratio"] is None


@pytest.mark.parametrize("target", sorted(ROWS))
async def test_every_name_of_a_target_can_be_requested(api: Api, target: str) -> None:
    answer = await api.get(f"/v1/targets/{quote(target, safe='')}/rates?window=1m")
    assert answer["target"] == target
    assert answer["windows"]["1m"]["responses"] == sum(
        count for bucket, count in ROWS[target].responses.items() if bucket * 5000 >= NOW_MS - 60_000
    )


async def test_a_mistyped_target_is_answered_with_similar_names(api: Api) -> None:
    problem = await api.get("/v1/targets/api.shp.example/rates", 404)
    assert problem["code"] == "unknown_target"
    assert problem["near"][0] == "api.shop.example"
    assert "api.shop.example" in problem["mend"]
    assert problem["instance"] == "/v1/targets/api.shp.example/rates"


@pytest.mark.parametrize(
    ("path", "parameter", "allowed"),
    [
        ("/v1/targets/a/rates?window=7m", "window", ["1m", "5m", "15m", "1h", "6h", "24h"]),
        ("/v1/targets/a/rates?window=", "window", ["1m", "5m", "15m", "1h", "6h", "24h"]),
        ("/v1/targets/a/rates?windwo=5m", "windwo", ["window", "at"]),
        ("/v1/targets/a/rates?at=yesterday", "at", None),
        ("/v1/targets/a/rates?at=2025-12-11T04:59:20", "at", None),
        ("/v1/targets/a/rates?at=1&at=2", "at", None),
        ("/v1/targets?limit=0", "limit", None),
        ("/v1/targets?limit=many", "limit", None),
        ("/v1/targets?offset=-1", "offset", None),
        ("/v1/targets?quarantined=perhaps", "quarantined", None),
        ("/v1/targets?quarantined=null", "quarantined", None),
        ("/v1/targets/a/rates?at=", "at", None),
        ("/v1/targets?window=1m,5m", "window", ["1m", "5m", "15m", "1h", "6h", "24h"]),
        ("/v1/quarantines?state=gone", "state", ["quarantined", "probing", "released"]),
    ],
)
async def test_a_wrong_parameter_is_named_with_what_is_allowed(
    api: Api, path: str, parameter: str, allowed: list[str] | None
) -> None:
    problem = await api.get(path, 400)
    assert problem["code"] == "bad_parameter"
    assert problem["parameter"] == parameter
    assert problem.get("allowed") == allowed
    assert problem["mend"]


async def test_the_course_of_a_target_has_a_count_for_every_step(api: Api) -> None:
    answer = await api.get("/v1/targets/api.shop.example/series?span=1h")
    assert answer["step_s"] == 60
    assert len(answer["start"]) == len(answer["responses"]) == len(answer["bad_request_ratio"]) == 61
    assert sum(answer["responses"]) == 1100
    assert sum(answer["bad_requests"]) == 20
    assert answer["bad_request_ratio"].count(None) == sum(count == 0 for count in answer["responses"])
    assert answer["start"] == sorted(answer["start"])
    assert {name: sum(counts) for name, counts in answer["classes"].items()}["429"] == 2
    assert answer["kept_from"] is not None


@pytest.mark.parametrize(
    ("query", "step_s", "steps", "bad_requests"),
    [
        ("span=15m", 5, 180, 10),
        ("span=1h&step=5s", 60, 61, 20),
        ("span=24h&step=1h", 3600, 25, 21),
        ("span=15m&step=1h", 900, 2, 10),
        ("span=6h", 300, 73, 20),
    ],
)
async def test_a_course_has_the_step_that_is_kept(
    api: Api, query: str, step_s: int, steps: int, bad_requests: int
) -> None:
    answer = await api.get(f"/v1/targets/api.shop.example/series?{query}")
    assert (answer["step_s"], len(answer["start"])) == (step_s, steps)
    assert sum(answer["bad_requests"]) == bad_requests
    assert [counts for counts in answer["classes"].values() if len(counts) != steps] == []


async def test_the_course_of_an_unknown_target_is_a_problem(api: Api) -> None:
    assert (await api.get("/v1/targets/api.shp.example/series", 404))["near"][0] == "api.shop.example"


async def test_targets_are_searched_anywhere_in_their_name(api: Api) -> None:
    assert names(await api.get("/v1/targets?search=SHOP")) == ["api.shop.example", "api.shop.example:8443"]
    assert names(await api.get("/v1/targets?search=shop&sort=-bad_requests&limit=1")) == ["api.shop.example"]


async def test_the_policies_name_the_rule_of_a_target(api: Api) -> None:
    answer = await api.get("/v1/policies?target=api.shop.example")
    assert answer["rule"]["policy"] == answer["default"]["policy"] == "strict"
    assert answer["rules"] == []
    assert (await api.get("/v1/policies"))["rule"] is None


async def test_a_target_is_explained(api: Api) -> None:
    found = await api.get("/v1/targets/api.shop.example/explanation")
    assert found["explanation"]["policy"] == "strict"
    assert found["lines"][0].startswith("api.shop.example: policy strict, mode live")


async def test_what_is_wrong_with_a_pasted_request_is_answered(api: Api) -> None:
    async def diagnose(text: str) -> tuple[int, dict]:
        async with api.http.post(f"{api.server.url}/v1/diagnoses", json={"text": text}) as response:
            return response.status, await response.json(content_type=None)

    status, found = await diagnose("curl https://a.example/ -d '{,}' -H 'Content-Type: application/json'")
    assert (status, found["total"], found["defects"]) == (200, 1, 1)
    assert found["requests"][0]["diagnosis"]["cause"] == "malformed_json"
    status, unread = await diagnose("nothing of the kind")
    assert (status, unread["total"]) == (200, 0)
    assert "no HAR, raw request, curl command" in unread["problem"]
