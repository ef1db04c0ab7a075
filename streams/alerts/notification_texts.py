"""A notification as labelled texts for people: the same for every sink that shows text. Pure."""

import shlex

from halt400.records import WindowFigures
from streams.alerts.finding_texts import CAUSE_TEXTS, in_common, retry_loop_senders
from streams.alerts.notification import Notification
from streams.alerts.text import format_duration, format_time

__all__ = ["labelled_texts"]

MOST_TARGETS = 10


def labelled_texts(notification: Notification) -> list[tuple[str, str]]:
    """List what a notification says as (label, text); a label without a text is left out."""
    archive_uri = notification.archive_uri
    found: list[tuple[str, str | None]] = [
        ("What broke", notification.what),
        ("Since", format_time(notification.opened_at)),
        ("Cause", _cause(notification)),
        ("Remedy", notification.remedy),
        ("Tell", _owner_of_credential(notification)),
        ("Evidence", "\n".join(notification.evidence) or None),
        ("Responses before", "\n".join(_window(figures) for figures in notification.windows) or None),
        ("Requests saved", _saved(notification)),
        ("Found too", _other_findings(notification)),
        ("Who", retry_loop_senders(notification.findings)),
        ("Requests wasted", _wasted(notification)),
        ("In common", in_common(notification.findings)),
        ("Failing targets", _failing_targets(notification)),
        ("Was halted" if notification.action == "resolve" else "Halted", _scopes(notification)),
        ("Owner", notification.owner),
        ("Acknowledged by", notification.acknowledged_by),
        ("Closes", _closes(notification)),
        ("Over", _closed(notification)),
        ("Archive", archive_uri),
        ("See it", f"halt400 archive show {shlex.quote(archive_uri)}" if archive_uri else None),
        ("Release", "\n".join(notification.release_commands) or None),
        ("Acknowledge", notification.acknowledge_command),
    ]
    return [(label, text) for label, text in found if text is not None]


def _cause(notification: Notification) -> str:
    cause = notification.diagnosed_cause or notification.cause
    if cause in CAUSE_TEXTS:
        return f"{cause}: {CAUSE_TEXTS[cause]}"
    if notification.blame is None or notification.confidence is None:
        return f"{cause} (not diagnosed)"
    return f"{cause} (blame: {notification.blame}, confidence {notification.confidence:.0%})"


def _owner_of_credential(notification: Notification) -> str | None:
    """Who is to be told of a credential that the target rejects; None for every other cause."""
    if (
        notification.diagnosed_cause or notification.cause
    ) != "credential_rejected" or notification.action == "resolve":
        return None
    if notification.owner is not None:
        return f"{notification.owner}, who owns the credential"
    return 'nobody is known to own the credential; name them: [[alerts.owner]] with cause = "credential_rejected"'


def _window(figures: WindowFigures) -> str:
    ratio = f" ({figures.bad_request_ratio:.2%})" if figures.bad_request_ratio is not None else ""
    return f"{figures.bad_requests:,} of {figures.responses:,} were 400 in {format_duration(figures.window_s)}{ratio}"


def _saved(notification: Notification) -> str | None:
    """What the gates counted, and the estimate for a whole target; None where nothing is quarantined."""
    counted, saved = notification.not_sent, notification.saved
    if counted is None and saved is None:
        return "none counted so far" if notification.scopes else None
    lines = []
    if counted is not None:
        gates = "1 gate" if counted.gates == 1 else f"{counted.gates:,} gates"
        lines.append(f"{counted.requests:,}, counted by {gates}")
    if saved is not None:
        duration = f"{format_duration(saved.halted_s)} at {saved.per_s:.3g} a second"
        basis = f"{duration}, the target's rate in the {format_duration(saved.window_s)} before it was halted"
        lines.append(f"about {saved.requests:,} by its former traffic ({basis})")
    return "\n".join(lines)


def _other_findings(notification: Notification) -> str | None:
    """The findings besides the one that `what` is about."""
    others = [finding.summary for finding in notification.findings if finding.summary != notification.what]
    is_loop = notification.cause == "retry_loop"  # `retry_loop_senders` has a line for each
    return "\n".join(others) if others and not is_loop else None


def _wasted(notification: Notification) -> str | None:
    return f"at least {notification.wasted_requests:,}" if notification.wasted_requests is not None else None


def _failing_targets(notification: Notification) -> str | None:
    targets = list(dict.fromkeys(target for finding in notification.findings for target in finding.targets))
    more = ["and more"] if len(targets) > MOST_TARGETS else []
    return "\n".join([*targets[:MOST_TARGETS], *more]) or None


def _closes(notification: Notification) -> str | None:
    if notification.closed_by is not None or notification.scopes or not notification.ends_at:
        return None
    return f"by itself at {format_time(notification.ends_at)}, unless it is reported again before"


def _scopes(notification: Notification) -> str | None:
    if not notification.scopes:
        return None
    total = max(notification.open_scopes, len(notification.scopes))
    more = [f"and {total - len(notification.scopes):,} more"] if total > len(notification.scopes) else []
    return "\n".join([*notification.scopes, *more])


def _closed(notification: Notification) -> str | None:
    if notification.closed_by is None:
        return None
    return f"{format_time(notification.ends_at)} by {notification.closed_by}: {notification.closing_reason}"
