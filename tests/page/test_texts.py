from pathlib import Path

import pytest

from streams.page.context import PAGES
from streams.page.texts import MOST_SHOWN, clock_time, visible


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred\x07", "␛[31mred␇"),
        ("\u202eexe.txt", "⟨U+202E⟩exe.txt"),
        ("a\u200bb\ufeff", "a⟨U+200B⟩b⟨U+FEFF⟩"),
        ("\ud800", "\ufffd"),
        ("=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0"),
        ("räksmörgås\n日本", "räksmörgås\n日本"),
    ],
)
def test_what_could_hide_or_turn_text_is_visible(hostile: str, shown: str) -> None:
    assert visible(hostile) == shown


def test_a_text_of_a_megabyte_is_cut_and_says_so() -> None:
    shown = visible("x" * 1_000_000)
    assert len(shown) < MOST_SHOWN + 50
    assert shown.endswith("… (1,000,000 characters in all)")


def test_a_time_beyond_the_calendar_is_no_error() -> None:
    assert clock_time(10**18, 0).startswith("9999-12-31")


def test_every_page_of_the_navigation_has_a_picture_in_both_schemes() -> None:
    pictures = {path.stem for path in (Path(__file__).parents[2] / "docs" / "images").glob("page-*.png")}
    named = {name.lower() for _, name in PAGES} - {"offences"} | {"offence", "target", "dead-letter"}
    assert {f"page-{name}-{scheme}" for name in named for scheme in ("light", "dark")} <= pictures
