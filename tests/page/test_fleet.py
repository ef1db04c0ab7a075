import pytest

from .conftest import Page, text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def names(page: Page, query: str = "") -> list[str]:
    return (await page.get(f"/?{query}")).css("table.fleet tbody th bdi::text").getall()


async def test_the_worst_come_first(page: Page) -> None:
    assert await names(page) == [
        "api.shop.example",
        "maps.example",
        "api.shop.example:8443",
        "räksmörgås.example",
        "with/slash and 100%.example",
        "idle.example",
    ]


async def test_a_row_says_state_ratio_counts_cause_and_since_when(page: Page) -> None:
    found = (await page.get("/")).css("table.fleet tbody tr")
    shop = text_of(found[0])
    assert "Halted 2 jobs" in shop
    assert "10% 10 100" in shop
    assert "Malformed JSON" in shop
    assert "1 min ago" in shop
    assert found[0].css("svg.spark::attr(aria-label)").get() == "400s in the last hour: at most 10.2% in a minute"


async def test_few_responses_are_greyed_and_no_data_is_not_zero(page: Page) -> None:
    rows = {row.css("th bdi::text").get(): row for row in (await page.get("/")).css("table.fleet tbody tr")}
    assert "few" in rows["maps.example"].css("td[data-label='400s / all']").attrib["class"]
    assert "too few to tell" in text_of(rows["maps.example"])
    assert "few" not in rows["api.shop.example"].css("td[data-label='400s / all']").attrib["class"]
    idle = rows["idle.example"]
    assert text_of(idle.css("td[data-label='400s / all']")) == "–"
    assert "No data" in text_of(idle)
    assert text_of(idle.css("td[data-label='Last hour']")) == "no data"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("search=SHOP", ["api.shop.example", "api.shop.example:8443"]),
        ("search=shop&sort=name&state=quiet", ["api.shop.example:8443"]),
        ("state=halted", ["api.shop.example", "maps.example"]),
        ("state=no_data", ["idle.example"]),
        ("search=nothing+like+it", []),
        ("state=&window=nonsense&offset=x", None),
        ("offset=5", ["idle.example"]),
    ],
)
async def test_it_is_filtered(page: Page, query: str, expected: list[str] | None) -> None:
    assert await names(page, query) == (await names(page) if expected is None else expected)


async def test_an_empty_result_says_that_the_filter_is_why(page: Page) -> None:
    assert "No target fits this filter" in text_of((await page.get("/?search=nothing")).css("main"))


async def test_htmx_gets_the_rows_alone(page: Page) -> None:
    found = await page.get("/?search=shop", **{"HX-Request": "true"})
    assert not found.css("header")
    assert found.css("#fleet::attr(hx-get)").get() == "/?search=shop"
    assert len(found.css("tbody tr")) == 2


async def test_a_name_with_slash_and_percent_leads_to_its_page(page: Page) -> None:
    links = (await page.get("/")).css("table.fleet tbody th a::attr(href)").getall()
    assert "/targets/with%2Fslash%20and%20100%25.example" in links
