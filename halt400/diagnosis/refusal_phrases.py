"""Sentences of servers that tell no defect of the request: its credential, a limit, state that is over, a busy resource.

They are read where no code decides. A sentence about the form of a field ("token must be a string", "limit must be at most
100") is none of these, and a sentence without information ("An error occurred") is none at all.
"""

# ruff: noqa: E501 - a table of expressions or sources reads best with one entry a line
from __future__ import annotations

import re
from typing import NamedTuple

from halt400.lazy_patterns import lazy_pattern
from halt400.records import Cause

__all__ = ["Phrase", "phrase_in", "speaks_of_form"]

_LIMIT = 400


class Phrase(NamedTuple):
    """What a sentence tells: the cause, which remedy of it (see `refusals`), and the words that tell it."""

    cause: Cause
    kind: str
    words: str


_CREDENTIAL = (
    r"(?:api|app(?:lication)?|access|auth(?:entication|orization)?|subscription|consumer|developer|client|licen[sc]e|partner|account)[ _-]?(?:key|token|secret|id and secret)(?: id)?s?"
    r"|(?:bearer|refresh|security|identity|id|oauth|service|personal access|session access|sso|user|auth)[ _-]?tokens?|credentials?|authentication(?: data| information| credentials| header)?|authorization(?: data| header| code| token)?"
    r"|jwt|user ?name (?:or|and|/) ?password|password|client[ _-]?id|(?:role or )?secret(?: id)?|api-?key|appid|app_id|application-id|private key|x-api-key|client authentication"
)
_REFUSED = (
    r"(?:in|not )?valid(?! (?:json|format))|incorrect|wrong|bad|expired|revoked|rejected|unknown|unrecognized|unrecognised|disabled|deactivated|suspended|inactive|blocked"
    r"|not (?:recogni[sz]ed|found|active|authori[sz]ed|accepted|valid|be verified|be validated|authenticated|known|registered)|no longer (?:valid|active)|(?:does|do|did) not (?:exist|match)|doesn't exist|doesn't match|failed|failure|could not be (?:verified|validated|authenticated|found|decrypted|decoded)|cannot be (?:verified|validated)|denied|malformed"
)
_BAD = r"invalid|incorrect|wrong|bad|expired|revoked|unknown|unrecogni[sz]ed|malformed|rejected|inactive|disabled|deactivated|missing or (?:invalid|unknown)|invalid or missing|invalid or expired|expired or invalid"
_STATE = (
    r"(?:(?:after|before|end|start|starting|next|page|pagination|paging|search|results?|list)[ _-])?cursor|(?:next|previous|prev|page|pagination|paging|continuation|continue|sync|delta|skip|resume|list|marker|scroll|guest|link|public|search|iterator|form|upload|captcha|recaptcha|state|request verification|anti-?forgery|authenticity|csrf|xsrf|one[- ]time|next[ _-]?page)[ _-]?token"
    r"|page[_ ]info|delta ?link|scroll[ _-]?id|scroll context|search context|point in time|\bpit\b(?: id)?|query locator|(?:shard )?iterator|nonce|form key|crumb|receipt ?handle|starting key|view ?state|session(?: id| key| token| cookie)?|csrf|xsrf|upload id|upload session|continuation|continue parameter|pagination (?:state|key)|next ?marker|last ?evaluated ?key|exclusive ?start ?key|result ?set|search id|query ?id|callback query|interaction|verification code|confirmation code|one-time (?:code|password)|\botp\b|state parameter|start key|offset token|change ?set token|history ?id|sync state"
)
_OVER = r"expired|(?:is |was |be |been )?(?:in|not )valid|no longer (?:valid|available|exists?|active)|not found|(?:is |are )?stale|unknown|mismatch(?:ed)?|does(?: not|n't) (?:match|exist)|do not match|already (?:been )?(?:used|consumed|acknowledged)|used already|too old|incorrect|could not be (?:parsed|decoded|found|verified|validated)|corrupt(?:ed)?|timed out|terminated|(?:has )?ended|invalidated|lost|failed|missing or (?:incorrect|invalid)|malformed|verification failed|not (?:recogni[sz]ed|correct)|exceeds the max"
_FORM_TALK = lazy_pattern(
    r"\b(?:must|should|needs? to|has to|have to) (?:be|have|contain|not|match|start|end|consist|include|only)\b|at least|at most|\bcharacters?\b|\blength\b|too (?:short|long|large|small|weak)|(?:is|are|field|fields) (?:a |an )?(?:missing|required|mandatory|blank|empty|null)\b|can(?:'t|not) be (?:blank|empty|null|longer|less|more)"
    r"|\brequired (?:field|parameter|property|argument)|missing required|expected (?:a |an |to be )|\btype\b.{0,30}(?:string|integer|number|boolean|array|object)|one of|\benum\b|(?:valid|wrong|invalid|correct) (?:format|json|type|email|url|uuid)|\bformat\b|not allowed (?:here|in)|unknown (?:field|parameter|argument|property)|duplicate|reduce the length|already (?:taken|in use by)|has already been taken",
    re.IGNORECASE,
)
_SYNTAX_TALK = lazy_pattern(
    r"\bjson\b|\bpars(?:e|ing|er)\b(?! scroll)|syntax|unexpected (?:token|character|end|eof)|at position|line \d|column \d|lexer|\bxml\b|grammar",
    re.IGNORECASE,
)
_BULK = lazy_pattern(
    r"\b(?:in|per) (?:the |a |an |one |this |each |single )*(?:batch|request|array|list|payload|call|query|page)\b|storage|disk|mailbox|file size",
    re.IGNORECASE,
)


def _compile(*rows: tuple[Cause, str, str]) -> tuple[tuple[Cause, str, re.Pattern[str]], ...]:
    return tuple((cause, kind, lazy_pattern(pattern, re.IGNORECASE)) for cause, kind, pattern in rows)


_PHRASES = _compile(
    ("rate_limited", "rate", r"too many (?:api |http |failed |login |concurrent |open |recent )*(?:requests|calls|attempts|queries|logins|connections|searches|tries|messages|operations)"
     r"|too frequent|too often|making .{0,20}(?:requests|calls) too (?:fast|quickly)|request(?:s|ing)? too (?:fast|quickly|often|many)|\bthrottl(?:ed|ing)\b|(?:rate|request|call|usage|api|query|search|traffic|bandwidth|throughput|flow|speed)[ -]?(?:limits?|quota|control|cap)(?:ed|ing|er)?\b.{0,40}(?:reached|exceed\w*|exhausted|hit|surpassed|\bover\b)"
     r"|(?:reached|exceed\w*|exhausted|hit|surpassed|over|used up) .{0,40}?\b(?:rate|request|call|usage|api|query|daily|hourly|monthly|per[- ](?:second|minute|hour|day)|throughput|flow|allowed number of)[ -]?(?:limits?|quota|allowance|cap|throughput|requests|calls|control)\b|exceeds? the (?:allowed|current|maximum) (?:throughput|rate)|rate[ -]?limited|rate exceeded|request rate|(?:sending|api|call|query) rate exceeded|exceeded (?:the|your|our|its) (?:[\w-]+ ){0,3}(?:rate|quota)\b|(?:user |request )?flow control"
     r"|(?:daily|hourly|monthly|api|usage|request|call|search|message) (?:\w+ )?quota\b.{0,30}(?:exceed\w*|reached|exhausted)|quota (?:has been |was |is )?(?:exceeded|reached|exhausted|used up)|slow down|temporarily (?:blocked|banned|limited).{0,60}(?:many|fast|often|requests)|(?:please )?wait (?:a few|a couple of|a bit|\d+|some|for a)\b.{0,30}(?:seconds?|minutes?|hours?|while|try|before)|try again (?:in|after) (?:\d+|a few|a couple|some|an?) ?(?:s|ms|sec|min|seconds?|minutes?|hours?|moments?|while)?\b(?!.{0,20}maintenance)|limit of (?:\d+|concurrent|simultaneous|parallel) (?:requests|calls|queries|connections)"),
    ("expired_state", "csrf", r"\b(?:csrf|xsrf|anti-?forgery|authenticity|request verification|form[ _-](?:token|key))[ _-]?(?:token|key|cookie|check|verification|validation|protection)?\b.{0,40}(?:" + _OVER + r"|failed)|(?:" + _BAD + r"|stale|missing or incorrect|can't verify|could not verify)\s(?:\w+ ){0,2}(?:csrf|xsrf|anti-?forgery|authenticity|form key|form token)|(?:anti-?forgery|csrf|xsrf) token (?:was meant|is) for (?:a |an)?(?:different|other)|\b(?:csrf|xsrf|anti-?forgery|authenticity) (?:\w+ )?(?:token|cookie)s? (?:(?:is|was|are|were|not|do|does|has|have|been) ){0,3}(?:missing|absent|sent|set|supplied|provided|present|found|match)\b|missing (?:the )?(?:csrf|xsrf|anti-?forgery|authenticity)\b|no (?:csrf|xsrf|anti-?forgery|authenticity) token|this page is no longer valid"),
    ("expired_state", "session", r"\b(?:your |the |this |current |user |login )?session(?: id| key| token| cookie)?\b.{0,20}(?:has |have |is |was |been )*(?:" + _OVER + r")|(?:" + _BAD + r"|no such|no active|stale|missing) session\b(?! (?:type|name|title|length|duration|kind|mode|count))|session (?:is )?(?:over|closed|required)|sign in again|(?:page|form) (?:has |is )?expired|your search (?:has )?(?:expired|timed out)"),
    ("expired_state", "cursor", rf"\b(?:{_STATE})\b.{{0,60}}?\b(?:{_OVER})|\b(?:{_BAD}|stale|cannot parse|can't parse|could not parse|failed to parse|unable to (?:parse|decode|find)|could not (?:decode|find)|failed to decode|no)\s(?:the |a |your |given |provided |value for |or expired ){{0,3}}[\"'`]?(?:{_STATE})\b(?! (?:type|name|title|length|duration|kind|mode|count)\b)|restart (?:the )?pagination|start over|start again from|(?:query|request token|link|url) is too old|revision has been compacted|too old (?:resource version|revision)|resource version .{{0,30}}too old|no longer available.{{0,30}}(?:page|results)|results? (?:have|has) expired|\b(?:basket|cart|checkout|challenge|bookmark|snapshot|quote|reservation|hold|offer|upload|link|page)\b (?:has |is )?(?:already )?(?:expired|timed out)"),
    ("credential_rejected", "clock", r"\b(?:request )?timestamp\b.{0,60}(?:outside|expired|too (?:old|far|skewed)|skew|recv_?window|not within|drift|in the (?:future|past))|\btimestamp\b.{0,40}\d+ ?(?:s|ms|sec|seconds|minutes)\b.{0,30}(?:server|current) time|clock (?:skew|drift)|request (?:has )?expired|signature (?:has )?expired|expired signature|request time .{0,40}(?:difference|too large|skewed)|(?:invalid|bad|incorrect|expired) (?:request )?(?:timestamp|access_timestamp)\b(?=.{0,60}(?:sign|request|header|$))|nonce or timestamp|iat .{0,30}(?:future|past)|(?:token|jwt) used too (?:early|late)|not yet valid"),
    ("credential_rejected", "signature", r"\bsignatures?\b(?: \w+){0,4} (?:is |was |are )?(?:not valid|invalid|mismatch(?:ed)?|incorrect|wrong|expired|failed|(?:does|do|did) not match|doesn't match|could not be verified|not match|verification failed|validation failed|error)|(?:invalid|bad|incorrect|wrong|malformed|failed to verify|could not verify|mismatched?) (?:the |request |hmac |jwt |api |message |webhook )?signature|signature verification|^(?:invalid|wrong|incorrect) sign\b\W*$|hmac (?:mismatch|invalid|validation|verification)|authorization mechanism .{0,60}not supported|the region .{0,40}is wrong|credential should be scoped"),
    ("credential_rejected", "payment", r"credit balance is too low|insufficient (?:quota|credits?|balance|funds)\b.{0,40}(?:api|account|plan|call|request|$)|billing (?:hard limit|is (?:not enabled|disabled)|not enabled)|(?:(?:your|current|api|this account's) (?:\w+ ){0,2}(?:subscription|plan)|trial|licen[sc]e|account)\b(?: has| is| was| period)* (?:expired|ended|suspended|cancel+ed|inactive|over|past due|deactivated|disabled|terminated)|(?:your|current) (?:plan|subscription|tier) (?:does not|doesn't) (?:include|allow|support|permit)|payment (?:is )?required|upgrade your (?:plan|account|subscription)|run out of credits|no (?:remaining )?credits"),
    ("credential_rejected", "permission", r"not authori[sz]ed to (?:perform|access|use|call|make)|(?:does not|doesn't|do not|don't) have (?:the )?(?:required |necessary |sufficient |enough )?(?:permissions?|access|privileges|scopes?|rights)|insufficient (?:permissions?|privileges|scope)|permission denied|access (?:is )?denied|missing (?:required )?scopes?"),
    ("credential_rejected", "wrong", rf"\b(?:{_CREDENTIAL})\b(?:,? (?:\S+ ){{0,5}}?|\s|[:'\"` ]{{1,3}})(?:is |are |was |were |has |have |been |be )*(?:{_REFUSED})\b|\b(?:{_BAD})\b[ :](?:\w+[ /-]){{0,3}}?[\"'`]?(?:{_CREDENTIAL})\b|authentication (?:is )?(?:failed|failure|required|error|unsuccessful)|(?:failed|unable|could not|couldn't|cannot) (?:to )?(?:authenticate|log ?in|verify (?:your )?credentials|validate credentials)|not (?:authenticated|logged in)|(?:log ?in|sign ?in|authentication) (?:is )?required|must (?:be logged in|log ?in|sign in|authenticate)|please (?:log ?in|sign in|authenticate|re-?authenticate|pass a valid api key|provide a valid api key|renew)|user login is required|bearer authentication|use a valid (?:api )?key|^(?:invalid|unknown|bad|wrong|expired|revoked) (?:key|secret|auth|login)\W*$|^unauthori[sz]ed\b|\brevoked\b|only valid bearer"),
    ("credential_rejected", "expired", r"^(?:the |your |this |an? )?(?:provided |supplied |given |included |current )?token(?: provided| supplied| included| you provided| in the request)?(?: has| is| was| been| have)* (?:expired|revoked|invalid|not valid|rejected|no longer valid|disabled|inactive|malformed|not recogni[sz]ed|required to be refreshed)|^(?:invalid|expired|revoked|bad|inactive|unknown|invalid or expired|expired or invalid|invalid or missing|missing or invalid) (?:or (?:expired|revoked|missing) )?token\b(?! (?:['\"`<{\[]|at |in |near |:))|\btoken (?:has|have|is|was)(?: been)? (?:expired|revoked)|\btokens? must be refreshed"),
    ("transient", "conflict", r"\bbusy\b|(?:currently|temporarily|presently) (?:un|not )available|(?:un|not )available (?:at this time|right now|at the moment|now|yet)|already (?:been )?(?:disabled|enabled|exists?|started|stopped|running|deleted|removed|closed|cancel+ed|in progress|attached|detached|processed|paid|captured|refunded|completed?|archived|locked|unlocked|active|inactive|activated|deactivated|submitted|published|powered (?:on|off)|open(?:ed)?|finished|queued|scheduled|resolved|subscribed|confirmed|approved|merged|shipped|delivered|redeemed|installed|connected|booked|sold|voted|refunded|settled|ended|expired|being \w+)\b"
     r"|(?:is|are|still) (?:currently )?(?:being |still )?(?:locked|updated|updating|processed|processing|deleted|deleting|provisioned|provisioning|created|migrated|migrating|resizing|rebooting|booting|in use|in progress|in transition|pending)\b(?! by)|in (?:an? )?(?:invalid|wrong|incorrect|unexpected|transitional|different) (?:state|status)|(?:current|its) (?:state|status)\b.{0,40}(?:not|does|prevent|allow)|(?:not|isn't) (?:in (?:a|the) (?:\w+ )?(?:state|status)|(?:yet )?ready)\b|not yet (?:ready|available|complete|processed)|another (?:\w+ ){0,2}(?:operation|request|process|transaction|job|update|task|deployment|build) (?:is|was|has|in)|already (?:have|has) an? (?:\w+ )?(?:pending|running|active|open|unfinished|ongoing|in-progress)\b|another (?:\w+ ){1,3}(?:is|was) (?:already |currently |still )?(?:running|in progress|active|being|under way|queued|pending)|being \w+(?:ed|en) by another|(?:currently|still) being \w+(?:ed|en|t|lt)\b|concurrent (?:modification|update|request|operation|change)|conflict(?:ing|s)? (?:operation|update|request|with (?:another|a concurrent))|deadlock|race condition|cannot be .{3,40} while\b|while (?:it|another|the) .{2,40}(?:is|are) (?:running|in progress|being|active)|prior request|operation (?:is )?(?:pending|in progress)|resource (?:is )?locked|would block|not ready\b|\bnot running\b|shutting down|^[\w ]{0,40} in progress\W*$|\bat this time\b|out of stock|sold out|not in stock|insufficient stock|\bpending (?:event|operation|change|task|job|action|update)"),
    ("transient", "server", r"try (?:it |this |your request |the request |that )?(?:again|later)|retry (?:your|the|this)? ?(?:request|later|again)|please retry|under maintenance|maintenance (?:mode|window)|temporarily|temporary (?:error|failure|problem|issue|outage|fault|condition)|timed? ?out|\btimeout\b|connection (?:reset|closed|refused|was closed)|upstream|service (?:is )?unavailable|overload|under (?:heavy|high) load|over capacity|server (?:is )?(?:too )?busy"),
)  # fmt: skip
_NO_CREDENTIAL = lazy_pattern(
    r"\b(?:no|missing|without) (?:a |an |the |any |valid )*(?:api[ _-]?key|access[ _-]token|(?:client|auth|authentication|bearer|security) token|credentials|authentication credentials|authentication)\b(?!:)(?: (?:was |were |is )?(?:provided|found|supplied|sent|given|present|specified|in the request))?"
    r"|\b(?:api[ _-]?key|access token|credentials|(?:client|auth|authentication|bearer) token)(?: is| are| was| were)? (?:missing|not (?:provided|found in|present|specified|sent|supplied))\b|authentication credentials were not provided",
    re.IGNORECASE,
)
_CURRENT_STATE = lazy_pattern(
    r"\bcurrent(?:ly)? (?:status|state) (?:is|of|was)\b|\bis currently in (?:the )?\w+ (?:status|state)\b|, but (?:it )?(?:is|was) currently \w+ing\b",
    re.IGNORECASE,
)
_STATE_KINDS = (
    ("csrf", lazy_pattern(r"csrf|xsrf|forgery|authenticity|form[ _-]key|view ?state", re.IGNORECASE)),
    ("nonce", lazy_pattern(r"nonce", re.IGNORECASE)),
    ("session", lazy_pattern(r"session|crumb|guest|basket|cart|checkout", re.IGNORECASE)),
    (
        "code",
        lazy_pattern(
            r"code|\botp\b|captcha|link[ _-]?token|public[ _-]?token|upload|one[- ]time|callback|interaction|receipt|quote|offer|reservation|challenge",
            re.IGNORECASE,
        ),
    ),
)
_ABSENT_STEMS = ("key", "token", "credential", "authentication")
_STEMS: dict[tuple[str, str], tuple[str, ...]] = {
    ("rate_limited", "rate"): (
        "too ",
        "throttl",
        "limit",
        "quota",
        "rate",
        "slow",
        "temporarily",
        "wait",
        "again",
        "control",
        "cap",
        "requests",
        "calls",
        "throughput",
        "allowance",
    ),
    ("expired_state", "csrf"): ("csrf", "xsrf", "forgery", "authenticity", "verification", "form", "page"),
    ("expired_state", "session"): ("session", "sign in again", "search", "page", "form"),
    ("expired_state", "cursor"): (
        "cursor",
        "token",
        "page",
        "delta",
        "scroll",
        "context",
        "point in time",
        "pit",
        "locator",
        "iterator",
        "nonce",
        "key",
        "crumb",
        "receipt",
        "state",
        "session",
        "csrf",
        "xsrf",
        "upload",
        "continu",
        "pagina",
        "marker",
        "result",
        "search",
        "query",
        "callback",
        "interaction",
        "code",
        "otp",
        "sync",
        "history",
        "start",
        "old",
        "compacted",
        "version",
        "link",
        "url",
        "basket",
        "cart",
        "checkout",
        "challenge",
        "bookmark",
        "snapshot",
        "quote",
        "reservation",
        "hold",
        "offer",
    ),
    ("credential_rejected", "clock"): ("timestamp", "clock", "request", "signature", "iat", "used too", "yet valid"),
    ("credential_rejected", "signature"): ("signature", " sign", "hmac", "mechanism", "region", "scoped"),
    ("credential_rejected", "payment"): (
        "credit",
        "insufficient",
        "billing",
        "subscription",
        "trial",
        "plan",
        "licen",
        "account",
        "payment",
        "upgrade",
        "tier",
    ),
    ("credential_rejected", "permission"): ("authori", "permission", "access", "privilege", "scope", "right"),
    ("credential_rejected", "wrong"): (
        "key",
        "token",
        "secret",
        "credential",
        "auth",
        "jwt",
        "user",
        "password",
        "appid",
        "app_id",
        "application-id",
        "client",
        "log",
        "sign",
        "revoked",
        "renew",
    ),
    ("credential_rejected", "expired"): ("token",),
    ("transient", "conflict"): (
        "busy",
        "available",
        "already",
        "lock",
        "updat",
        "process",
        "delet",
        "provision",
        "creat",
        "migrat",
        "resiz",
        "boot",
        "use",
        "progress",
        "transition",
        "pending",
        "state",
        "status",
        "ready",
        "not yet",
        "another",
        "concurrent",
        "conflict",
        "dead",
        "race",
        "while",
        "prior",
        "block",
        "stock",
        "sold",
        "running",
        "being",
        "shutting",
        "at this time",
    ),
    ("transient", "server"): (
        "try",
        "again",
        "later",
        "maintenance",
        "temporar",
        "time",
        "connection",
        "upstream",
        "unavailable",
        "overload",
        "load",
        "capacity",
        "busy",
    ),
}
"""One of these texts is in every match of an expression; they are searched for first."""
_WAIT = lazy_pattern(r"(?:please )?wait|try again", re.IGNORECASE)
"""What a server says of a limit, and of a resource that is busy, too."""
_CONFLICT = next(pattern for _, kind, pattern in _PHRASES if kind == "conflict")
_CHECKED_FOR_BULK = frozenset({"rate_limited"})


def speaks_of_form(sentence: str) -> bool:
    """Whether a sentence is about the form of a field: its type, length or presence."""
    return _FORM_TALK.search(sentence[:_LIMIT]) is not None


def phrase_in(sentence: str) -> Phrase | None:
    """What a server's sentence tells besides a defect of the request; None where it tells none of it.

    Examples
    --------
    >>> phrase_in("Token has been expired or revoked.").cause, phrase_in("Instance busy.").cause
    ('credential_rejected', 'transient')
    >>> phrase_in("User request limit reached").cause, phrase_in("The scroll id has expired").cause
    ('rate_limited', 'expired_state')
    >>> phrase_in("token must be a string") or phrase_in("limit must be at most 100") or phrase_in("Unexpected token }")
    """
    sentence = sentence[:_LIMIT]
    lowered = sentence.lower() if sentence.isascii() else None  # beyond ASCII, an expression ignores more differences
    if _holds(lowered, ("current",)) and (state := _CURRENT_STATE.search(sentence)) is not None:
        return Phrase("transient", "conflict", state[0])
    if _holds(lowered, _ABSENT_STEMS) and (absent := _NO_CREDENTIAL.search(sentence)) is not None:
        return Phrase("credential_rejected", "missing", absent[0])
    for cause, kind, pattern in _PHRASES:
        if not _holds(lowered, _STEMS[cause, kind]):
            continue
        found = pattern.search(sentence)
        if found is None or not _counts(sentence, cause, kind, found[0].lower()):
            continue
        if _WAIT.match(found[0]) and (busy := _CONFLICT.search(sentence)) is not None:
            return Phrase("transient", "conflict", busy[0][:120])
        return Phrase(cause, _state_kind(found[0]) if kind == "cursor" else kind, found[0][:120])
    return None


def _holds(lowered: str | None, stems: tuple[str, ...]) -> bool:
    """Whether an expression that needs one of the stems may match; a search for it takes ten times as long."""
    return lowered is None or any(stem in lowered for stem in stems)


def _counts(sentence: str, cause: Cause, kind: str, words: str) -> bool:
    """Whether the words are not part of a sentence about the form of a field, the syntax, or a list that is too long."""
    is_told = kind == "csrf" or (kind == "cursor" and words.startswith(("restart", "start")))
    if speaks_of_form(sentence) and not is_told:
        return False
    if _SYNTAX_TALK.search(sentence) is not None and not (kind == "cursor" and "scroll" in words):
        return False
    return cause not in _CHECKED_FOR_BULK or _BULK.search(sentence) is None


def _state_kind(words: str) -> str:
    """Which remedy of expired state the words ask for."""
    for kind, pattern in _STATE_KINDS:
        if pattern.search(words) is not None:
            return kind
    return "cursor"
