"""An explanation says which rule applies, how far each tier is, and why the last 400 led to what it did."""

from streams.detection import explain, parse_policies
from tests.detection.cases import EVIDENCE, NOW, STRICT, TARGET, Story


def test_it_names_the_rule_and_its_line() -> None:
    policies = parse_policies('\n[[targets]]\npattern = "*.shop.example"\nmode = "shadow"\npolicy = "evidence"\n')
    explanation = explain(Story().state, policies, NOW)
    assert (explanation.policy, explanation.mode, explanation.rule_line) == ("evidence", "shadow", 2)
    assert "halt400.toml, line 2" in explanation.lines()[0]


def test_it_says_how_far_each_tier_is_and_is_right() -> None:
    story = Story(EVIDENCE, history=100_000)
    story.bad()
    ticket, page = explain(story.state, EVIDENCE, NOW).reading.tiers
    assert (ticket.tier, page.tier) == ("ticket", "page")
    assert 0 < page.reached_ratio < ticket.reached_ratio < 1
    assert (ticket.bad_requests_to_fire, page.bad_requests_to_fire) == (2, 2)
    for _ in range(2):
        story.bad()
    ticket, page = explain(story.state, EVIDENCE, NOW).reading.tiers
    assert page.evidence >= page.threshold
    assert (page.bad_requests_to_fire, page.reached_ratio) == (0, 1.0)
    assert "has fired" in "\n".join(explain(story.state, EVIDENCE, NOW).lines())


def test_it_says_why_the_last_command_fired() -> None:
    story = Story()
    (command,) = story.bad().commands
    last = explain(story.state, STRICT, NOW).lines()[-1]
    assert command.command_id in last
    assert "strict" in last


def test_it_says_why_none_fired() -> None:
    story = Story()
    story.bad(age_ms=20 * 60_000)
    last = explain(story.state, STRICT, NOW).lines()[-1]
    assert "issued no command" in last
    assert "old news" in last
    assert "No 400" in explain(Story().state, STRICT, NOW).lines()[-1]


def test_quarantined_jobs_come_first_and_the_rest_is_counted() -> None:
    story = Story(jobs=tuple(f"j{n:02}" for n in range(30)))
    story.bad(job="j29")
    explanation = explain(story.state, STRICT, NOW)
    assert explanation.jobs[0].scope_id == f"job/{TARGET}/j29"
    assert explanation.jobs[0].state == "quarantined"
    assert (len(explanation.jobs), explanation.jobs_not_shown) == (20, 10)
    assert "10 more jobs" in "\n".join(explanation.lines())


def test_it_tells_a_poison_item_from_a_break() -> None:
    story = Story(EVIDENCE, history=100_000, jobs=("a", "b"))
    story.bad(job="a", kind="s")
    assert "poison item" in "\n".join(explain(story.state, EVIDENCE, NOW).lines())
    story.bad(job="b", kind="s")
    assert "break of the target" in "\n".join(explain(story.state, EVIDENCE, NOW).lines())
