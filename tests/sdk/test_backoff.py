from halt400.backoff import Backoff


def test_pauses_double_up_to_the_longest_and_restart_after_a_success() -> None:
    backoff = Backoff(1.0, 0.25, jitter=lambda: 1.0)
    assert [backoff.next_s() for _ in range(4)] == [0.25, 0.5, 1.0, 1.0]
    backoff.reset()
    assert backoff.next_s() == 0.25


def test_jitter_takes_away_at_most_a_half() -> None:
    assert Backoff(1.0, 0.5, jitter=lambda: 0.0).next_s() == 0.25


def test_an_error_that_repeats_is_news_once() -> None:
    backoff = Backoff(1.0)
    errors = [OSError("away"), OSError("away"), OSError("no such topic"), OSError("away")]
    assert [backoff.is_news(error) for error in errors] == [True, False, True, True]
    backoff.reset()
    assert backoff.is_news(errors[0])
