"""The policy file says what it means, and every mistake in it is named with its line."""

from pathlib import Path

import pytest

from halt400.errors import SettingError
from streams.detection import FleetRules, Retries, Rule, Tiers, parse_policies
from streams.quarantine.lifecycle import Durations
from streams.toml_file import line_of

GUIDE = Path(__file__).parents[2] / "docs" / "detection.md"
EXAMPLE = """\
# What Halt400 does with a 400.
[defaults]
policy = "strict"

[tiers]
page = 1e11

[fleet]
share_ratio = 0.05
minimum = 5

[[targets]]
pattern = "*.Shop.example"
policy = "evidence"
hold_s = 60

[[targets]]
pattern = "*"
mode = "shadow"
least_p0 = 0.02

[alerts]
anything = "of another part"
"""


def test_the_first_rule_that_fits_applies() -> None:
    policies = parse_policies(EXAMPLE)
    shop = policies.rule_for("API.shop.example")
    assert (shop.policy, shop.mode, shop.hold_s, shop.line) == ("evidence", "live", 60, 12)
    other = policies.rule_for("api.other.example")
    assert (other.policy, other.mode, other.least_p0, other.line) == ("strict", "shadow", 0.02, 17)


def test_what_is_not_set_keeps_its_default() -> None:
    policies = parse_policies(EXAMPLE)
    assert policies.tiers == Tiers(ticket=1e9, page=1e11)
    assert (policies.fleet.share_ratio, policies.fleet.minimum, policies.fleet.clear_s) == (0.05, 5, 900)
    assert policies.rule_for("api.shop.example").hold_cap_s == Durations().hold_cap_s


def test_rules_inherit_the_defaults_of_the_file() -> None:
    policies = parse_policies('[defaults]\nhold_s = 30\npolicy = "evidence"\n[[targets]]\npattern = "a"\n')
    assert policies.rule_for("a").durations().hold_s == 30
    assert policies.rule_for("b").policy == "evidence"


def test_an_empty_file_is_the_default() -> None:
    assert parse_policies("").rule_for("anything") == Rule()
    assert Rule().policy == "strict"


@pytest.mark.parametrize(
    ("text", "line", "parts"),
    [
        ('[defaults]\n\npolicy = "lenient"', 3, ["policy", "'lenient'", '"strict" or "evidence"']),
        ('[[targets]]\npattern = "a"\npolcy = "strict"', 3, ["polcy", "Did you mean policy?"]),
        ('[[targets]]\npattern = "a"\n[[targets]]\nmode = "shadow"', 3, ["pattern"]),
        ('[[targets]]\npattern = ""', 2, ["pattern"]),
        ("[[targets]]\npattern = 7", 2, ["pattern", "7"]),
        ('[[targets]]\npattern = "A"\n\n[[targets]]\npattern = "a"', 5, ["Line 1", "same pattern"]),
        ('[targets]\npattern = "a"', 1, ["[[targets]]"]),
        ('[[target]]\npattern = "a"', 1, ["Did you mean targets?"]),
        ("[defaults]\nhold_s = '15m'", 2, ["hold_s", "'15m'", "whole number"]),
        ("[defaults]\nhold_s = 1.5", 2, ["whole number"]),
        ("[defaults]\nhold_s = 100000", 2, ["hold_cap_s = 86400"]),
        ('[defaults]\npattern = "a"', 2, ["pattern"]),
        ("[tiers]\nticket = 1e12", 2, ["rarer than a ticket"]),
        ("[tiers]\npage = true", 2, ["True", "number"]),
        ("[tiers]\npage = nan", 2, ["nan", "number"]),
        ("[fleet]\nshare_ratio = 10", 2, ["share_ratio", "0 to 1"]),
        ("fleet = 3", 1, ["[fleet]"]),
        ('note = """\n[fleet]\n"""\n[fleet]\nminimum = -1', 1, ["note", "Known tables"]),
        ('targets = [\n  {pattern = "a"},\n  {pattern = "b", policy = "no"},\n]', 1, ["'no'"]),
    ],
)
def test_a_mistake_is_named_with_its_line_and_its_mend(text: str, line: int, parts: list[str]) -> None:
    with pytest.raises(SettingError) as caught:
        parse_policies(text, "conf/halt400.toml")
    assert f"conf/halt400.toml, line {line}:" in caught.value.message
    assert caught.value.mend
    for part in parts:
        assert part in str(caught.value)


def test_text_that_is_not_toml_is_named_with_its_line() -> None:
    with pytest.raises(SettingError, match="line 2") as caught:
        parse_policies("[defaults]\npolicy = strict\n")
    assert caught.value.mend


def test_lines_are_found_past_values_over_many_lines() -> None:
    text = 'a = """\n[b]\nc = 1\n"""\nlist = [\n  "[x]",\n  1, # ]\n]\n[b]\n"c" = \'\'\'\nd = 2\n\'\'\'\nd.e = 3\n'
    assert [line_of(text, path) for path in (("a",), ("b",), ("b", "c"), ("b", "d", "e"), ("list",))] == [
        1,
        9,
        10,
        13,
        5,
    ]
    assert line_of(text, ("b", "unknown")) == 9
    assert line_of(text, ("unknown",)) == 1


def test_every_setting_is_documented_with_its_default() -> None:
    rows = {
        cells[2].strip().strip("`"): cells[3].strip().strip('`"')
        for line in GUIDE.read_text().splitlines()
        if len(cells := line.split("|")) == 6 and cells[2].strip().startswith("`")
    }
    kinds = (Rule(), Tiers(), FleetRules(), Retries())
    settings = {name: getattr(kind, name) for kind in kinds for name in kind.__struct_fields__ if name != "line"}
    assert rows.keys() == settings.keys()
    for name, default in settings.items():
        if name not in ("pattern", "causes"):
            assert type(default)(rows[name]) == default, name


def test_the_example_of_the_guide_is_valid() -> None:
    rows, example = (block.split("```")[0] for block in GUIDE.read_text().split("```toml\n")[1:])
    assert parse_policies(rows).rule_for("api.shop.example").causes["expired_state"].text() == "hold (line 8)"
    policies = parse_policies(example)
    assert policies.rule_for("api.shop.example").policy == "evidence"
    assert policies.rule_for("legacy.example").mode == "shadow"
