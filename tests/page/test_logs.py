import pytest

from tests.api.fleet import SECRET

from .conftest import Page, text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def offence_path(page: Page) -> str:
    links = (await page.get("/offences")).css("table.log th a::attr(href)").getall()
    return links[-1]  # the oldest, which led to the command


async def rows(page: Page, path: str) -> list[str]:
    return [text_of(row) for row in (await page.get(path)).css("table.log tbody tr")]


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("/offences", 3),
        ("/offences?cause=unknown", 1),
        ("/offences?opens=true&job_id=EXTRACT", 1),
        ("/offences?target=maps", 0),
        ("/findings", 2),
        ("/findings?kind=fleet_fault&severity=page", 1),
        ("/findings?target=maps", 1),
        ("/findings?severity=", 2),
        ("/quarantines", 4),
        ("/quarantines?state=probing", 1),
        ("/quarantines?target=MAPS&job_id=night", 1),
        ("/quarantines?view=history", 6),
        ("/quarantines?view=history&state=released", 1),
    ],
)
async def test_a_log_is_filtered(page: Page, path: str, number: int) -> None:
    assert len(await rows(page, path)) == number


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/offences?target=nowhere", "None of the 3 recent offences fits this filter."),
        ("/findings?target=nowhere", "None of the 2 recent findings fits this filter."),
        ("/quarantines?target=nowhere", "Nothing fits this filter."),
        ("/alerts?target=nowhere", "Nothing fits this filter."),
    ],
)
async def test_an_empty_log_says_why(page: Page, path: str, expected: str) -> None:
    assert expected in text_of((await page.get(path)).css("main"))


async def test_an_offence_has_request_and_response_side_by_side_without_secrets(page: Page) -> None:
    found = await page.get(await offence_path(page))
    request, response = text_of(found.css("pre#request")), text_of(found.css("pre#response"))
    assert request.startswith("POST https://api.shop.example/v2/search?api_key=")
    assert "Content-Type: application/json" in request
    assert response == "HTTP 400 Content-Type: text/plain bad request"
    assert SECRET not in "".join(found.css("::text").getall())
    assert text_of(found.css("pre#curl")).startswith("curl --http1.1")
    assert found.css("button[data-copy=curl][hidden]")  # shown by the script that copies


async def test_an_offence_is_saved_as_har_and_opened_in_diagnose(page: Page) -> None:
    path = await offence_path(page)
    async with page.http.get(f"{page.server.url}{path}/har") as response:
        assert response.headers["Content-Disposition"].startswith("attachment;")
        har = await response.json()
    assert har["log"]["entries"][0]["request"]["method"] == "POST"
    found = await page.get(f"/diagnose?offence={path.rpartition('/')[2]}")
    assert text_of(found.css("textarea")).startswith("curl --http1.1")
    assert text_of(found.css("#result")) == "Result"
    assert "Malformed" in text_of(found.css(".diagnosis"))


async def test_an_unknown_offence_is_a_page(page: Page) -> None:
    for place in ("0-99999", "nonsense"):
        assert "There is no offence" in text_of((await page.get(f"/offences/{place}", 404)).css("main"))


async def test_alerts_show_incidents_and_what_was_sent(page: Page) -> None:
    text = text_of((await page.get("/alerts?state=all")).css("main"))
    assert "api.shop.example : Malformed JSON" in text
    assert "closed 05:48:20Z" in text
    assert "no: see alerts.dlq" in text


async def test_the_system_says_how_far_everything_is_read(page: Page) -> None:
    text = text_of((await page.get("/system")).css("main"))
    for expected in ("responses", "up to date", "invalid_event", "oncall", "halt400 0.1.0"):
        assert expected in text
    assert text.count("worker ") >= 6


async def test_a_dead_letter_is_shown_as_text_without_secrets(page: Page) -> None:
    links = (await page.get("/system")).css("form#redrive tbody th a::attr(href)").getall()
    texts = [text_of((await page.get(link)).css("main")) for link in links]
    assert len(texts) == 2
    assert any("invalid_event: not taken" in text and '"id": 1' in text for text in texts)
    assert not any(SECRET in text for text in texts)
    assert any("its beginning" in text for text in texts)
    assert "There is no dead letter" in text_of((await page.get("/dead-letters/nope/0-1", 404)).css("main"))


async def test_the_policy_in_force_is_named(page: Page) -> None:
    text = text_of((await page.get("/policies?target=api.shop.example")).css("main"))
    assert "On api.shop.example : policy strict , mode live" in text
    assert "Rate limited rate_limited hold for the stated time, else 60 s (built in)" in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("curl https://a.example/ -d '{\"a\": 1,}' -H 'Content-Type: application/json'", "Malformed JSON"),
        ("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "No defect found in 1 request."),
        ("nothing of the kind", "This cannot be read."),
        ("<script>alert(1)</script>", "This cannot be read."),
    ],
)
async def test_diagnose_says_what_is_wrong_with_what_is_pasted(page: Page, text: str, expected: str) -> None:
    found = await page.post("/diagnose", text=text)
    assert expected in text_of(found.css("main"))
    assert "--input" not in text_of(found.css("main"))  # an option of the command line
    assert found.css("textarea::text").get().strip() == text.strip().replace("\r\n", "\n")
