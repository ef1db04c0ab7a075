import asyncio

import pytest

from halt400.rates import RateClient
from halt400.windows import encode_row
from streams.settings import Settings
from streams.topics import apply_topics

from .conftest import settings_for
from .fleet import NOW_MS, ROWS, row, write, write_fleet


@pytest.fixture
async def settings(kafka: str) -> Settings:
    made = settings_for(kafka)
    await apply_topics(made.kafka)
    return made


def client(settings: Settings) -> RateClient:
    return RateClient(settings.kafka.connection, clock_ms=lambda: NOW_MS)


async def test_a_scraper_reads_any_window_of_any_target(settings: Settings) -> None:
    await write_fleet(settings.kafka)
    async with client(settings) as rates, asyncio.timeout(20):
        await rates.wait_caught_up()
        assert rates.healthy
        assert rates.targets() == sorted(ROWS)
        assert rates.rates("api.shop.example").bad_request_ratio == 0.1
        assert rates.rates("api.shop.example", "1h").bad_requests == 20
        assert rates.rates("never.seen.example").responses == 0
        assert rates.rates("never.seen.example").bad_request_ratio is None
        with pytest.raises(ValueError, match="1m, 5m, 15m, 1h, 6h, 24h"):
            rates.rates("api.shop.example", "2m")
        with pytest.raises(ValueError, match="kept from"):
            rates.rates("api.shop.example", "24h", NOW_MS - 3_600_000)


async def test_the_row_with_the_highest_offset_wins_in_any_order(settings: Settings) -> None:
    rows = {offset: encode_row(row(offset, (1_000, 200, offset))) for offset in (1, 2, 3, 4)}
    await write(settings.kafka, "rates", [(b"a", rows[2]), (b"a", rows[3]), (b"a", rows[1])])
    async with client(settings) as rates, asyncio.timeout(20):
        await rates.wait_caught_up()
        assert rates.rates("a").responses == 3
        await write(settings.kafka, "rates", [(b"a", rows[4]), (b"b", rows[1])])
        await rates.wait_caught_up()
        assert rates.rates("a").responses == 4
        assert rates.targets() == ["a", "b"]
        await write(settings.kafka, "rates", [(b"a", None)])
        await rates.wait_caught_up()
        assert rates.targets() == ["b"]
        assert rates.rates("a").responses == 0


async def test_a_window_up_to_the_present_misses_nothing_where_this_clock_is_behind(settings: Settings) -> None:
    await write(settings.kafka, "rates", [(b"a", encode_row(row(1, (-120_000, 400, 2))))])
    async with client(settings) as rates, asyncio.timeout(20):
        await rates.wait_caught_up()
        assert rates.rates("a", "1m").bad_requests == 2
        assert rates.rates("a", "24h").bad_requests == 2


async def test_similar_names_are_found_among_many(settings: Settings) -> None:
    one = encode_row(row(1, (1_000, 200, 1)))
    names = [f"api-{number}.example" for number in range(300)]
    names += ["api.shop.example:8443", "API.Maps.example", "www.bank.example", "shop"]
    await write(settings.kafka, "rates", [(name.encode(), one) for name in names])
    async with client(settings) as rates, asyncio.timeout(20):
        await rates.wait_caught_up()
        assert rates.near("api.shop.example")[0] == "api.shop.example:8443"
        assert rates.near("api.maps.example")[0] == "API.Maps.example"
        assert rates.near("api-12.exmple")[0] == "api-12.example"
        assert rates.near("https://api.shop.example:8443/v1")[0] == "api.shop.example:8443"
        assert rates.near("maps") == ["API.Maps.example"]


async def test_an_unrelated_host_of_the_same_domain_is_not_similar(settings: Settings) -> None:
    one = encode_row(row(1, (1_000, 200, 1)))
    names = ["maps.example", "www.bank.example", "api.forum.example", "shop"]
    await write(settings.kafka, "rates", [(name.encode(), one) for name in names])
    async with client(settings) as rates, asyncio.timeout(20):
        await rates.wait_caught_up()
        for unknown in ("nowhere.example", "www.news.example", "api.other.example", "workshop.example", "zzz", ""):
            assert rates.near(unknown) == [], unknown
