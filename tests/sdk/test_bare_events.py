import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from halt400.errors import InvalidEvent
from halt400.events import response_event
from halt400.guard import bare_events
from halt400.guard.bare_events import NAMES, BareEvents
from halt400.publisher.sampling import HeaderSampler
from halt400.records import ResponseEvent

NAME = st.text(min_size=1, max_size=20)
OPTIONAL = st.none() | NAME
SIZE = st.none() | st.integers(0, 2**40)
OF_NAME = {
    "method": NAME,
    "status": st.integers(100, 599).filter(lambda status: status != 400),
    "http_version": st.sampled_from(["1.0", "1.1", "2"]),
    "job_id": NAME,
    "attempt": st.integers(1, 9),
}
ONE_GUARDS = BareEvents()


@pytest.mark.slow
@given(
    st.tuples(*(OF_NAME.get(name, OPTIONAL) for name in NAMES)),
    st.integers(0, 2**45),
    st.text(st.characters(max_codepoint=127), min_size=1, max_size=255),
    st.text(st.characters(max_codepoint=127, exclude_characters="@"), min_size=1),
    SIZE,
    SIZE,
    st.floats(0, 1e7),
)
def test_a_bare_event_is_the_event_that_is_built_less_headers_and_bodies(
    names: tuple[object, ...],
    time_ms: int,
    target: str,
    url: str,
    request_size: int | None,
    response_size: int | None,
    duration_ms: float,
) -> None:
    built = response_event(
        time_ms=time_ms,
        target=target,
        url=url,
        duration_ms=round(duration_ms, 3),
        **dict(zip(NAMES, names, strict=True)),
    )  # type: ignore[arg-type]
    built.request.body_size, built.response.body_size = request_size, response_size
    for _ in range(2):
        bare = ONE_GUARDS.encoded(names, time_ms, target, url, request_size, response_size, duration_ms)
        found = msgspec.json.decode(bare, type=ResponseEvent)
        assert len(found.id) == 32
        built.id = found.id
        assert found == HeaderSampler().slim(built)


def test_forms_are_bounded_and_what_makes_no_event_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bare_events, "MOST_FORMS", 3)
    events = BareEvents()
    names = ("GET", 200, "1.1", "extract-099", *[None] * 4, 1, *[None] * 4)
    for number in range(10):
        value = events.encoded((*names[:3], f"job-{number}", *names[4:]), 1, "shop", "https://shop/", None, 1, 0.5)
        assert msgspec.json.decode(value, type=ResponseEvent).job_id == f"job-{number}"
        assert len(events._forms) <= 3
    with pytest.raises(InvalidEvent, match="job_id"):
        events.encoded((*names[:3], "", *names[4:]), 1, "shop", "https://shop/", None, 1, 0.5)
