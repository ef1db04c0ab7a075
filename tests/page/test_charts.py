from parsel import Selector

from halt400.windows import Row
from streams.api.series import series_of
from streams.detection import Tiers
from streams.page.charts import Marker, chart, sparkline
from streams.page.shading import Shade, halts, tiers_reached
from tests.api.fleet import MINUTE_MS, NOW_MS, command, row


def series(found: Row):
    return series_of("a.example", found, span_s=3600, step_s=60, end_ms=NOW_MS, as_of=NOW_MS, stale=False)


def test_a_sparkline_has_bars_for_400s_a_base_line_for_responses_and_nothing_for_no_data() -> None:
    found = Selector(str(sparkline([10, 0, 10], [5, 0, 0])))
    assert found.css(".bad::attr(d)").get().count("M") == 1
    assert found.css(".seen::attr(d)").get().count("M") == 2
    assert "50%" in found.css("svg::attr(aria-label)").get()
    assert "no data" in sparkline([0, 0], [0, 0])


def test_the_line_of_a_chart_has_a_gap_where_nothing_was_counted() -> None:
    found = row(1, (50 * MINUTE_MS, 200, 9), (49 * MINUTE_MS, 400, 1), (10 * MINUTE_MS, 200, 4))
    line = Selector(str(chart(series(found), [], [], NOW_MS))).css(".ratio::attr(d)").get()
    assert line.count("M") == 2
    assert line.count("L") == 1


def test_markers_in_the_time_of_the_chart_are_drawn_each_kind_with_its_own_shape() -> None:
    kinds = ("quarantine", "probe", "release", "scraper_release")
    markers = [Marker(kind, NOW_MS - 5 * MINUTE_MS, f"<b>{kind}") for kind in kinds]
    old = Marker("probe", NOW_MS - 90 * MINUTE_MS, "an hour and a half ago")
    found = Selector(str(chart(series(row(1, (MINUTE_MS, 200, 1))), [*markers, old], [], NOW_MS)))
    assert len(found.css("g.marker")) == 4
    assert len(set(found.css("[class^=marker-]::attr(d)").getall())) == 4
    assert "<b>probe" in found.css("g.marker title::text").getall()[1]


def test_a_chart_without_data_says_so() -> None:
    assert "No response was counted" in chart(series(Row()), [], [], NOW_MS)


def test_what_was_halted_is_shaded_until_the_next_command_of_its_scope_or_its_end() -> None:
    at = [NOW_MS - minutes * MINUTE_MS for minutes in (40, 30, 20, 10)]
    life = [
        command("job", "a.example", "j", state=state, sequence=place, issued_at=at[place], expires_at=NOW_MS + 1)
        for place, state in enumerate(("quarantined", "probing", "released"))
    ]
    other = command("job", "a.example", "k", issued_at=at[0] + MINUTE_MS, expires_at=at[3])
    assert halts(life, NOW_MS) == [Shade("probing", at[1], at[2]), Shade("halted", at[0], at[1])]
    assert Shade("halted", at[0], at[3]) in halts([other, *life], NOW_MS)
    assert halts([command("job", "a.example", "j", issued_at=at[3], expires_at=NOW_MS + 9)], NOW_MS) == [
        Shade("halted", at[3], NOW_MS)
    ]


def test_the_tiers_are_shaded_from_the_step_in_which_the_evidence_reaches_them() -> None:
    good = row(1, *((age * MINUTE_MS, 200, 100) for age in range(1, 60)))
    assert tiers_reached(series(good), 1e-4, Tiers()) == []
    broken = row(1, *((age * MINUTE_MS, 200, 100) for age in range(1, 60)), (30 * MINUTE_MS, 400, 5))
    shades = tiers_reached(series(broken), 1e-4, Tiers())
    assert {shade.kind for shade in shades} == {"page", "ticket"}
    (shade,) = (shade for shade in shades if shade.from_ms <= NOW_MS - 30 * MINUTE_MS < shade.to_ms)
    assert (shade.kind, min(shades, key=lambda one: one.from_ms)) == ("page", shade)
    drawn = Selector(str(chart(series(broken), [], [shade, Shade("halted", 0, NOW_MS)], NOW_MS)))
    assert [len(drawn.css(f"rect.shade-{kind}")) for kind in ("page", "halted", "probing")] == [1, 1, 0]
    assert drawn.css("text.window-name::text").getall() == ["15m", "5m"]
