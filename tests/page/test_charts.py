from parsel import Selector

from halt400.windows import Row
from streams.api.series import series_of
from streams.page.charts import Marker, chart, sparkline
from tests.api.fleet import MINUTE_MS, NOW_MS, row


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
    line = Selector(str(chart(series(found), [], NOW_MS))).css(".ratio::attr(d)").get()
    assert line.count("M") == 2
    assert line.count("L") == 1


def test_markers_in_the_time_of_the_chart_are_drawn_each_kind_with_its_own_shape() -> None:
    kinds = ("quarantine", "probe", "release", "scraper_release")
    markers = [Marker(kind, NOW_MS - 5 * MINUTE_MS, f"<b>{kind}") for kind in kinds]
    old = Marker("probe", NOW_MS - 90 * MINUTE_MS, "an hour and a half ago")
    found = Selector(str(chart(series(row(1, (MINUTE_MS, 200, 1))), [*markers, old], NOW_MS)))
    assert len(found.css("g.marker")) == 4
    assert len(set(found.css("[class^=marker-]::attr(d)").getall())) == 4
    assert "<b>probe" in found.css("g.marker title::text").getall()[1]


def test_a_chart_without_data_says_so() -> None:
    assert "No response was counted" in chart(series(Row()), [], NOW_MS)
