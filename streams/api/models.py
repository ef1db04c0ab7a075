"""The types of the API's answers; their names are component names of the OpenAPI document.

Times are integers in milliseconds since the Unix epoch (UTC), ratios are 0-1, windows are [start, end).
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from halt400.records import Command, Milliseconds, Ratio
from streams.api.choices import WindowName
from streams.quarantine.not_sent import NotSent

__all__ = [
    "Answer",
    "AsOf",
    "ClassCounts",
    "CommandPage",
    "Count",
    "Health",
    "Index",
    "Page",
    "Problem",
    "Quarantine",
    "QuarantinePage",
    "Readiness",
    "Target",
    "TargetPage",
    "TargetRates",
    "Totals",
    "Window",
]

Count = Annotated[int, Meta(ge=0)]
AsOf = Annotated[
    int, Meta(ge=0, description="The answer includes what the service had written by this time; milliseconds, UTC.")
]


Stale = Annotated[
    bool, Meta(description="Whether the answer is older than 10 s: Kafka does not answer, or not fast enough.")
]


class Answer(Struct, kw_only=True):
    """What every answer with data says of its age; the headers Halt400-As-Of and Age say it too."""

    as_of: AsOf
    stale: Stale


class Page(Answer, kw_only=True):
    """A page of a list; `total` counts all that match the filter, `next` is the next page's address."""

    total: Count
    limit: Count
    offset: Count
    next: str | None


class ClassCounts(Struct, kw_only=True):
    """Responses by status, each counted in exactly one class; `other` has all statuses without a class of their own.

    What was counted before 2xx and 3xx were told apart is in `other`, for the day until it is in no window.
    """

    s2xx: Count = field(name="2xx")
    s3xx: Count = field(name="3xx")
    s400: Count = field(name="400")
    s401: Count = field(name="401")
    s403: Count = field(name="403")
    s404: Count = field(name="404")
    s422: Count = field(name="422")
    s429: Count = field(name="429")
    s5xx: Count = field(name="5xx")
    other: Count


class Window(Struct, kw_only=True):
    """The counts of one window [start, end); `bad_request_ratio` is null where there were no responses.

    `end` is the requested time rounded up to 5 s, or to a minute where the window begins more than 20 minutes ago.
    """

    window: WindowName
    window_s: int
    start: Annotated[int, Meta(description="Milliseconds since the Unix epoch, UTC; may be negative.")]
    end: Milliseconds
    responses: Count
    bad_requests: Count
    bad_request_ratio: Ratio | None
    classes: ClassCounts


class Totals(Struct, kw_only=True):
    """Lifetime counts. `responses` includes late responses; `classes` does not, since they are in no window."""

    responses: Count
    classes: ClassCounts


class TargetRates(Answer, kw_only=True):
    """One target's counts in the requested windows, by the windows' names.

    `late` events arrived more than a day after their time; they are in no window. `skewed` events had a time after
    their Kafka timestamp and are counted at that timestamp.
    """

    target: str
    windows: dict[str, Window]
    totals: Totals
    late: Count
    late_bad_requests: Count
    skewed: Count
    last_bad_request: Annotated[int | None, Meta(description="Time of the latest 400; null for none.")]


class Target(Struct, kw_only=True):
    """One target in the list: one window and the lifetime counts, see TargetRates."""

    target: str
    quarantines: Annotated[int, Meta(ge=0, description="Quarantines in force on this target.")]
    window: Window
    totals: Totals
    late: Count
    late_bad_requests: Count
    skewed: Count
    last_bad_request: Annotated[int | None, Meta(description="Time of the latest 400; null for none.")]


class TargetPage(Page, kw_only=True):
    """A page of targets."""

    targets: list[Target]


class Quarantine(Command, kw_only=True):
    """The state of one scope: its latest command, and what it means at the time of the answer.

    `id` is the scope's id, as in the key on `control`. `in_force`: not released and not yet expired. `not_sent`: the
    requests that it has saved, null where no gate has reported any.
    """

    id: str
    in_force: bool
    not_sent: NotSent | None


class QuarantinePage(Page, kw_only=True):
    """A page of quarantines, the latest command first."""

    quarantines: list[Quarantine]


class CommandPage(Page, kw_only=True):
    """A page of commands, the latest first: the history of the quarantines, as far back as the topic keeps it."""

    commands: list[Command]


class FollowerState(Struct, kw_only=True):
    """How far this process has read one topic."""

    topic: str
    caught_up: bool
    healthy: bool
    last_contact_age_s: Annotated[float | None, Meta(description="Seconds since the broker answered; null for never.")]
    keys: Count


class Health(Struct, kw_only=True):
    """The process is alive."""

    status: Literal["alive"] = "alive"


class Readiness(Struct, kw_only=True):
    """Whether the answers are up to date, and why not."""

    status: Literal["ready", "not_ready"]
    followers: list[FollowerState]


class Index(Struct, kw_only=True):
    """The addresses of the API."""

    name: str
    version: str
    links: dict[str, str]


class Problem(Struct, kw_only=True, omit_defaults=True):
    """RFC 9457 problem details; `code` is stable, `mend` says what to do next."""

    type: str
    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: str
    code: str
    mend: str = ""
    instance: str | None = None
    parameter: Annotated[str | None, Meta(description="The query parameter that is wrong.")] = None
    allowed: Annotated[list[str] | None, Meta(description="What would be right instead.")] = None
    near: Annotated[list[str] | None, Meta(description="Names similar to the one that was not found.")] = None
