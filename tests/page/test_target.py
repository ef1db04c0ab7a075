import pytest

from .conftest import Page, text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

BROKEN = """curl https://a.example/ -H "Content-Type: application/json" -d '{"a": 1, }'"""
SHOP = "/targets/api.shop.example"


async def test_a_target_says_what_broke_since_when_what_is_halted_and_what_to_do(page: Page) -> None:
    found = await page.get(SHOP)
    text = text_of(found.css("main"))
    assert "Halted" in text_of(found.css("h1"))
    for expected in (
        "Malformed JSON",
        "99% sure",
        "blame: request",
        "Remedy: Remove the comma before the closing brace.",
        "extract-099",
        "extract-100",
        "5,015 requests not sent",
        "10% 10 of 100",
    ):
        assert expected in text
    assert "extract-102" not in text_of(found.css("section.quarantine"))  # past its end


async def test_its_chart_has_markers_and_a_table_that_says_the_same(page: Page) -> None:
    found = await page.get(f"{SHOP}?span=15m")
    assert (
        found.css("svg.chart::attr(aria-label)").get().startswith("400s over all responses, in steps of 5 s: 10 of 100")
    )
    markers = found.css("g.marker title::text").getall()
    assert any("extract-099 quarantined" in text for text in markers)
    assert any("probe of extract-100" in text for text in markers)
    assert any("extract-101 released" in text for text in markers)
    assert any("first 400 of release 2025.12.1" in text for text in markers)
    rows = found.xpath("//summary[.='The chart as a table']/following-sibling::*//tbody/tr")
    assert len(rows) == 180
    assert sum(int(row.css("td::text").getall()[1]) for row in rows) == 10
    assert [row for row in rows if row.css("td::text").getall()[0] == "–"]


async def test_the_caret_is_under_its_place(page: Page) -> None:
    found = await page.post(
        "/diagnose", text='curl https://a.example/ -H "Content-Type: application/json" -d \'{"a": 1, }\''
    )
    excerpt = "".join(found.css("pre.excerpt *::text, pre.excerpt::text").getall())
    line, below = excerpt.split("\n")
    assert line[below.index("^")] == ","


async def test_an_unknown_target_names_the_similar_ones(page: Page) -> None:
    found = await page.get("/targets/api.shp.example", 404)
    assert SHOP in found.css("main a::attr(href)").getall()


async def test_a_target_without_400s_is_not_made_to_look_broken(page: Page) -> None:
    text = text_of((await page.get("/targets/idle.example")).css("main"))
    assert "Nothing is halted on this target." in text
    assert "Cause" not in text.partition("Recent 400s")[0].partition("400s over all")[0]
    assert "None is among the recent offences." in text


async def test_where_the_400s_come_from(page: Page) -> None:
    text = text_of((await page.get(SHOP)).css("main"))
    assert "release 2025.12.1 100%" in text
    assert "proxy proxy-7 100%" in text
