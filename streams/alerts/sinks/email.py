"""Email through SMTP: one thread of mails per incident.

Contract: RFC 5321 and RFC 5322. A reply of 4yz may be tried again, one of 5yz never (RFC 5321 section 4.2.1).
"""

import asyncio
import smtplib
import socket
import ssl
from email.message import EmailMessage
from email.utils import formatdate
from hashlib import blake2b
from typing import Literal

from streams.alerts.delivery import AttemptResult, RetryPolicy
from streams.alerts.notification import Notification
from streams.alerts.notification_texts import labelled_texts
from streams.alerts.text import shorten

__all__ = ["EmailSink"]

LONGEST_SUBJECT = 200
PREFIXES = {"trigger": "", "update": "Re: ", "acknowledge": "Acknowledged: ", "resolve": "Over: "}


class EmailSink:
    """One list of recipients behind one mail server.

    Parameters
    ----------
    tls
        ``starttls``, ``implicit`` (from the first byte), or ``none``.
    """

    retry = RetryPolicy(first_s=5.0, longest_s=300.0, throttled_s=60.0, give_up_after_s=3600.0)

    def __init__(
        self,
        name: str,
        host: str,
        port: int,
        sender: str,
        recipients: tuple[str, ...],
        *,
        tls: Literal["starttls", "implicit", "none"] = "starttls",
        username: str | None = None,
        password: str | None = None,
        timeout_s: float = 20.0,
    ) -> None:
        self.name = name
        self._host, self._port, self._tls, self._timeout_s = host, port, tls, timeout_s
        self._sender, self._recipients = sender, recipients
        self._username, self._password = username, password

    async def deliver(self, notification: Notification) -> AttemptResult:
        """Send one mail; the blocking client runs in a thread, which is left alone after the timeout."""
        mail = self._mail(notification)
        try:
            async with asyncio.timeout(self._timeout_s * 1.5):
                return await asyncio.to_thread(self._send, mail)
        except TimeoutError:
            detail = f"no answer within {self._timeout_s * 1.5:g} s"
            return AttemptResult("unavailable", detail, uncertain=True)

    async def close(self) -> None:
        """Nothing is kept open between mails."""

    def _send(self, mail: EmailMessage) -> AttemptResult:
        try:
            with self._connection() as server:
                if self._tls == "starttls":
                    server.starttls(context=ssl.create_default_context())
                if self._username is not None:
                    server.login(self._username, self._password or "")
                refused = server.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            return _refusal(max(code for code, _ in error.recipients.values()), "every recipient was refused")
        except smtplib.SMTPResponseException as error:
            return _refusal(error.smtp_code, _text(error.smtp_error))
        except smtplib.SMTPNotSupportedError as error:
            return AttemptResult("refused", f"the server does not support what is needed: {error}")
        except ssl.SSLCertVerificationError as error:
            return AttemptResult("refused", f"the server's certificate is invalid: {error.verify_message}")
        except (smtplib.SMTPException, OSError) as error:
            uncertain = not isinstance(error, (ConnectionRefusedError, socket.gaierror))
            return AttemptResult("unavailable", shorten(f"{type(error).__name__} {error}", 300), uncertain=uncertain)
        if refused:
            return AttemptResult("accepted", f"accepted, but not for {', '.join(sorted(refused))}")
        return AttemptResult("accepted", "250")

    def _connection(self) -> smtplib.SMTP:
        if self._tls == "implicit":
            return smtplib.SMTP_SSL(
                self._host, self._port, timeout=self._timeout_s, context=ssl.create_default_context()
            )
        return smtplib.SMTP(self._host, self._port, timeout=self._timeout_s)

    def _mail(self, notification: Notification) -> EmailMessage:
        thread = blake2b(f"{notification.dedup_key}\n{notification.episode}".encode(), digest_size=12).hexdigest()
        mail = EmailMessage()
        mail["From"], mail["To"] = self._sender, ", ".join(self._recipients)
        title = f"[{notification.severity}] {PREFIXES[notification.action]}{notification.title}"
        mail["Subject"] = shorten(title, LONGEST_SUBJECT)
        mail["Date"] = formatdate(notification.at / 1000)
        mail["Message-ID"] = f"<{notification.id}@halt400.invalid>"
        mail["References"] = mail["In-Reply-To"] = f"<{thread}@halt400.invalid>"
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Halt400-Incident"] = thread
        if notification.severity == "page":
            mail["X-Priority"] = "1"
        parts = [f"{label}\n{_indented(text)}" for label, text in labelled_texts(notification)]
        mail.set_content("\n\n".join([notification.title, *parts, "-- \nHalt400"]) + "\n")
        return mail


def _refusal(code: int, text: str) -> AttemptResult:
    outcome: Literal["refused", "unavailable"] = "refused" if 500 <= code < 600 else "unavailable"
    return AttemptResult(outcome, shorten(f"{code} {text}", 300))


def _text(reply: bytes | str) -> str:
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
