"""Charts as SVG, made by the server: colours by class, so that the style sheet has both schemes. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from halt400.windows import WINDOWS_S
from streams.api.series import Series
from streams.page.shading import SHADE_TEXTS, Shade, ShadeKind
from streams.page.texts import clock_time, count, percent, visible

__all__ = ["Marker", "chart", "shade_sample", "sparkline"]

SPARK_WIDTH, SPARK_HEIGHT = 120, 24
LEAST_TOP_RATIO = 0.02
"""A sparkline's full height is at least this ratio, so that a single 400 among many does not look like a break."""

WIDTH, LEFT, RIGHT = 960, 56, 12
RATIO_TOP, RATIO_HEIGHT = 40, 130
COUNT_TOP, COUNT_HEIGHT = 200, 70
HEIGHT = 300

LEAST_WINDOW_WIDTH = 25
MOST_MARKER_TEXT = 500
_SHADE_HEIGHTS: dict[ShadeKind, tuple[int, int]] = {"halted": (7, 174), "probing": (3, 183)}
"""Height and place of the bars below the line."""

MarkerKind = Literal["quarantine", "probe", "release", "scraper_release"]
_SHAPES: dict[MarkerKind, str] = {
    "quarantine": "M-6 -5 H6 L0 6 Z",
    "probe": "M0 -7 L7 0 L0 7 L-7 0 Z",
    "release": "M-6 5 H6 L0 -6 Z",
    "scraper_release": "M-5 -5 H5 V5 H-5 Z",
}


@dataclass(frozen=True)
class Marker:
    """Something that happened at a time (ms since the epoch): a command, or a scraper's release that was first seen."""

    kind: MarkerKind
    at_ms: int
    text: str

    @property
    def shape(self) -> Markup:
        """The marker's shape alone, for a legend."""
        return Markup(
            '<svg class="shape" viewBox="-8 -8 16 16" width="14" height="14" aria-hidden="true">'
            '<path class="marker-{}" d="{}"/></svg>'
        ).format(self.kind, _SHAPES[self.kind])


def sparkline(responses: Sequence[int], bad_requests: Sequence[int]) -> Markup:
    """Draw the 400s over all of each step as bars; a step with responses has a base line, one without has nothing."""
    ratios = [bad / total if total else None for bad, total in zip(bad_requests, responses, strict=True)]
    known = [ratio for ratio in ratios if ratio is not None]
    if not known:
        return Markup('<span class="none">no data</span>')
    top, width = max(LEAST_TOP_RATIO, *known), SPARK_WIDTH / len(ratios)
    seen, bars = [], []
    for place, ratio in enumerate(ratios):
        if ratio is None:
            continue
        left = place * width
        seen.append(f"M{left:.3g} {SPARK_HEIGHT - 0.5}h{width:.3g}")
        if ratio:
            height = max(1.5, ratio / top * (SPARK_HEIGHT - 2))
            bars.append(f"M{left:.4g} {SPARK_HEIGHT}v-{height:.3g}h{width:.3g}v{height:.3g}z")
    return Markup(
        '<svg class="spark" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        'aria-label="400s in the last hour: at most {peak} in a minute">'
        '<path class="seen" d="{seen}"/><path class="bad" d="{bars}"/></svg>'
    ).format(width=SPARK_WIDTH, height=SPARK_HEIGHT, peak=percent(max(known)), seen="".join(seen), bars="".join(bars))


def chart(series: Series, markers: Sequence[Marker], shades: Sequence[Shade], now_ms: int) -> Markup:
    """Draw 400s over all and the counts below it on one time axis, with markers; a table beside it says the same.

    Behind them are the windows that end now, one in the other, the tiers, and a bar for what was halted.
    """
    start, end = series.start[0], series.start[-1] + series.step_s * 1000
    axis = _TimeAxis(start, end)
    known = [ratio for ratio in series.bad_request_ratio if ratio is not None]
    top = _nice_ratio(max(known, default=0.0))
    parts = [
        Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
            WIDTH, HEIGHT, _summary(series, known)
        ),
        *(_shade(found, axis, now_ms) for found in shades),
        *(_window(name, length_s, axis) for name, length_s in reversed(WINDOWS_S.items())),
        _grid(top, max(series.responses)),
        _ratio_line(series, axis, top),
        _count_bars(series, axis),
        _times(axis, now_ms),
        *(_marker(found, axis, now_ms) for found in markers if start <= found.at_ms <= end),
        Markup("</svg>"),
    ]
    return Markup("").join(parts)


@dataclass(frozen=True)
class _TimeAxis:
    start: int
    end: int

    def x(self, at_ms: float) -> float:
        return LEFT + (at_ms - self.start) / (self.end - self.start) * (WIDTH - LEFT - RIGHT)


def shade_sample(kind: ShadeKind) -> Markup:
    """A shade alone, for a legend."""
    height, y = _SHADE_HEIGHTS.get(kind, (14, 0))
    return Markup(
        '<svg class="shape" viewBox="0 0 14 14" width="14" height="14" aria-hidden="true">'
        '<rect class="shade-{}" x="0" y="{}" width="14" height="{}"/></svg>'
    ).format(kind, (14 - height) // 2 if y else 0, height)


def _shade(shade: Shade, axis: _TimeAxis, now_ms: int) -> Markup:
    """A tier over the height of the line; what was halted as a bar below it, what was probed as a thinner one."""
    begin, end = max(shade.from_ms, axis.start), min(shade.to_ms, axis.end)
    if begin >= end:
        return Markup("")
    height, y = _SHADE_HEIGHTS.get(shade.kind, (RATIO_HEIGHT, RATIO_TOP))
    return Markup(
        '<rect class="shade-{}" x="{:.1f}" y="{}" width="{:.1f}" height="{}"><title>{}</title></rect>'
    ).format(
        shade.kind,
        axis.x(begin),
        y,
        max(1.5, axis.x(end) - axis.x(begin)),
        height,
        f"{clock_time(shade.from_ms, now_ms)} to {clock_time(shade.to_ms, now_ms)}: {SHADE_TEXTS[shade.kind]}",
    )


def _window(name: str, length_s: int, axis: _TimeAxis) -> Markup:
    """A window that ends at the chart's end, where it is long enough to be seen and shorter than the chart."""
    begin = axis.end - length_s * 1000
    width = axis.x(axis.end) - axis.x(begin)
    if axis.x(begin) - LEFT < LEAST_WINDOW_WIDTH or width < LEAST_WINDOW_WIDTH:
        return Markup("")
    return Markup('<rect class="window" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}"/>'
                  '<text class="window-name" x="{text:.1f}" y="{below}">{name}</text>').format(
        x=axis.x(begin), y=RATIO_TOP, width=width, height=RATIO_HEIGHT, text=axis.x(begin) + 3,
        below=RATIO_TOP + RATIO_HEIGHT - 4, name=name,
    )  # fmt: skip


def _summary(series: Series, known: Sequence[float]) -> str:
    if not known:
        return "No response was counted in this time."
    return (
        f"400s over all responses, in steps of {series.step_s} s: {count(sum(series.bad_requests))} of "
        f"{count(sum(series.responses))} responses, at most {percent(max(known))} in a step."
    )


def _nice_ratio(highest: float) -> float:
    return next((top for top in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if highest <= top), 1.0)


def _grid(top: float, most: int) -> Markup:
    lines = [Markup('<text class="title" x="{}" y="16">400s / all</text>').format(LEFT)]
    for part in (0.0, 0.5, 1.0):
        y = RATIO_TOP + RATIO_HEIGHT * (1 - part)
        lines.append(_grid_line(y, percent(top * part)))
    lines.append(Markup('<text class="title" x="{}" y="{}">responses</text>').format(LEFT, COUNT_TOP - 8))
    lines.append(_grid_line(COUNT_TOP, count(most)))
    lines.append(_grid_line(COUNT_TOP + COUNT_HEIGHT, "0"))
    return Markup("").join(lines)


def _grid_line(y: float, label: str) -> Markup:
    return Markup('<path class="grid" d="M{} {}H{}"/><text x="{}" y="{}" text-anchor="end">{}</text>').format(
        LEFT, y, WIDTH - RIGHT, LEFT - 6, y + 4, label
    )


def _ratio_line(series: Series, axis: _TimeAxis, top: float) -> Markup:
    """The ratio as steps, with a gap where nothing was counted: no data is not 0%."""
    path, step_ms, is_open = [], series.step_s * 1000, False
    for at, ratio in zip(series.start, series.bad_request_ratio, strict=True):
        if ratio is None:
            is_open = False
            continue
        y = RATIO_TOP + RATIO_HEIGHT * (1 - min(1.0, ratio / top))
        path.append(f"{'L' if is_open else 'M'}{axis.x(at):.1f} {y:.1f}H{axis.x(at + step_ms):.1f}")
        is_open = True
    return Markup('<path class="ratio" d="{}"/>').format("".join(path))


def _count_bars(series: Series, axis: _TimeAxis) -> Markup:
    most, base = max(1, *series.responses), COUNT_TOP + COUNT_HEIGHT
    width = max(1.0, axis.x(series.start[0] + series.step_s * 1000) - axis.x(series.start[0]) - 1)

    def bars(counts: Sequence[int]) -> str:
        return "".join(
            f"M{axis.x(at):.1f} {base}v-{max(1.0, number / most * COUNT_HEIGHT):.1f}h{width:.1f}V{base}z"
            for at, number in zip(series.start, counts, strict=True)
            if number
        )

    return Markup('<path class="all" d="{}"/><path class="bad" d="{}"/>').format(
        bars(series.responses), bars(series.bad_requests)
    )


def _times(axis: _TimeAxis, now_ms: int) -> Markup:
    texts = []
    for part in range(5):
        at = axis.start + (axis.end - axis.start) * part // 4
        anchor = "start" if part == 0 else "end" if part == 4 else "middle"
        texts.append(
            Markup('<text x="{:.1f}" y="{}" text-anchor="{}">{}</text>').format(
                axis.x(at), HEIGHT - 8, anchor, clock_time(at, now_ms)
            )
        )
    return Markup("").join(texts)


def _marker(marker: Marker, axis: _TimeAxis, now_ms: int) -> Markup:
    x = axis.x(marker.at_ms)
    return Markup(
        '<g class="marker"><title>{} {}</title><path class="line-{}" d="M{:.1f} {}V{}"/>'
        '<path class="marker-{}" transform="translate({:.1f} {})" d="{}"/></g>'
    ).format(
        clock_time(marker.at_ms, now_ms),
        visible(marker.text, MOST_MARKER_TEXT),
        marker.kind,
        x,
        RATIO_TOP - 6,
        COUNT_TOP + COUNT_HEIGHT,
        marker.kind,
        x,
        RATIO_TOP - 12,
        _SHAPES[marker.kind],
    )
