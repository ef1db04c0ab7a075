"""Find the names of fields, and quoted values, in a sentence of a server.

Sentences such as "The parameter 'month/day' is required", "invalid parameter "appKeyId" in "path"" or
"start_hr must be before end_hr". Quoted words and words that look like identifiers are names; English words are not.
"""

# ruff: noqa: E501 - a table of expressions or sources reads best with one entry a line
from __future__ import annotations

import re

from halt400.lazy_patterns import lazy_pattern

__all__ = ["names_in", "quoted_in", "value_in"]

_LIMIT = 1200
_Q = r"[\"'`‘’“”]"
_WORD = r"[A-Za-z_$][\w$.\[\]/-]{0,79}"
_PLAIN = r"[A-Za-z_][\w.-]{1,60}"
_KIND = (
    r"(?:(?:query |path |body |url |request |form )?(?:parameters?|params?|fields?|attributes?|property|properties"
    r"|arguments?|keys?|columns?|members?|inputs?|variables?|elements?|options?))"
)
_IDENTIFIER = (
    r"(?:[a-z][A-Za-z0-9]*_[A-Za-z0-9_.]*[A-Za-z0-9]|[a-z]+[a-z0-9]*[A-Z][A-Za-z0-9]*|[a-z]\w*(?:\.[a-z_]\w*)+"
    r"|[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]*)+)"
)
_VERDICT = (
    r"(?:is|was|are|were|must|should|cannot|can't|has|have|may|needs?|does|failed|required|invalid|missing|Invalid"
    r"|weren't|wasn't|not)"
)
_FAULT = (
    r"(?:missing|required|unknown|unrecognized|unrecognised|unexpected|unsupported|undefined|invalid|bad|empty"
    r"|duplicate|extra|illegal|malformed|incorrect)"
)
_KIND_STEMS = (
    "param", "field", "attribute", "propert", "argument", "key", "column", "member", "input", "variable", "element",
    "option",
)  # fmt: skip
_PATTERNS = tuple(
    (lazy_pattern(pattern), location, explicit, _KIND in pattern)
    for pattern, location, explicit in (
        # parameter 'x', field "x", attribute `x`, and the reverse; the word beside it says that it is a name
        (rf"(?i:{_KIND}\s?:?\s?(?:named?\s|called\s|value\s(?:for|of)\s)?){_Q}({_WORD}(?:[,:] ?[\w. -]{{1,60}})?){_Q}", None, True),
        (rf"{_Q}({_WORD}){_Q}\s(?i:(?:required\s)?{_KIND})\b", None, True),
        (rf"(?i:additional properties (?:are )?not allowed)[^\"']{{0,20}}{_Q}({_WORD}){_Q}", "body", True),
        (rf"(?i:{_KIND})\s({_PLAIN})\s(?:should|must|is|does|has|cannot|was)\b", None, True),
        (rf"(?i:param(?:eter)? is missing or the value is empty: )({_WORD})", None, True),
        (rf"(?i:required|missing|invalid|unknown|the)\s({_PLAIN})\s(?i:{_KIND})\b(?!\(s\)|\s?:)", None, False),
        (rf"(?i:undefined|unknown|unrecogni[sz]ed) (?i:{_KIND}) ({_PLAIN})$", None, True),
        (rf"(?i:{_KIND})\(s\)\s?:\s({_WORD})", None, True),
        (rf"(?i:{_KIND})\s(?i:were|was|are|is)\s(?i:not \w{{1,20}}|missing|required|absent)\s?:\s({_WORD})", None, True),
        # The 'To' number +1 is not valid; "name cannot be missing"; "messages.2: ..."
        (rf"\b[Tt]he\s{_Q}({_WORD}){_Q}\s(?i:number|value|header|list|array|object|string|address|id|date|flag|type|setting"
         r"|entry|claim|scope|content)\b", None, True),
        (rf"(?i:invalid )(type)\. (?i:expected) {_Q}", None, True),
        (r"(?m:^)\s?(?:[a-z]\w{1,30}\s)?([a-z]\w{1,60})\s(?:cannot|can't|may not|must not|should not)\sbe\s(?:missing|null|blank|empty|omitted)\b",
         None, True),
        (r"(?m:^)\s?([A-Za-z_]\w{0,60}(?:\.[\w-]{1,60}|\[\d{1,6}\]){1,12})\s?:\s", None, True),
        (rf"{_Q}({_WORD}){_Q}\s(?:\(.{{0,40}}?\)\s)?{_VERDICT}\b", None, False),
        # {'group_widget': ['Missing data for required field.']}
        (rf"[{{,]\s?{_Q}({_WORD}){_Q}\s?:\s?\[{_Q}", None, True),
        # unknown name "x", missing 'x'
        (rf"(?i:{_FAULT}\s(?:(?:required|request|value for|value of|name|input|the|a|an)\s){{0,3}}){_Q}({_WORD}){_Q}", None, False),
        (rf"(?i:{_KIND})\s?[:=]\s?({_IDENTIFIER}|[a-z][\w.-]{{1,60}})(?=$|[\s,.;)])", None, False),
        (rf"(?i:missing (?:the )?(?:required )?{_KIND}:?)\s({_WORD})", None, False),
        (rf"(?i:at|on|for|in) {_Q}({_WORD}){_Q} (?i:failed|is|must|was)", None, False),
        # snake_case, camelCase and dotted words without quotes
        (rf"(?<![\w'\"/.@-])({_IDENTIFIER})(?![\w'\"@]|\.\w|\()", None, False),
        # "limit must be ...", "Tags is a required field", "Invalid limit"
        (rf"(?m:^)\s?({_WORD})\s(?:\[[^\]]{{0,60}}\]\s)?(?:is|must|should|cannot|can't|has to|needs to|was)\s(?:be|not|required"
         r"|missing|invalid|a|an|too|one|greater|less|at|blank|empty|of)\b", None, False),
        (rf"(?:^|[:;] )(?i:{_FAULT})\s(?:value for\s|the\s)?({_PLAIN})\s?(?:$|[:,.;]|\s(?:{_Q}|value|format|supplied|provided"
         r"|specified|given|must|is|[A-Z0-9]))", None, False),
        # "at least one of title or description", "no finding provided", "must specify the query"
        (r"(?i:one of )([a-z_]\w{1,60}) (?:or|and) [a-z_]\w{1,60}", None, False),
        (r"(?i:one of )[a-z_]\w{1,60} (?:or|and) ([a-z_]\w{1,60})", None, False),
        (rf"(?i:\bno )({_PLAIN}) (?:was )?(?:provided|given|specified|supplied)", None, False),
        (rf"(?i:must (?:specify|provide|include|contain|have|set) (?:the |an? )?)({_PLAIN})", None, True),
        (rf"{_Q}({_WORD}){_Q}(?=(?:, | and | or ){_Q})", None, False),
    )
)  # fmt: skip
_PROTOBUF = lazy_pattern(
    r"Unknown name \"([^\"]{1,80})\"(?: at '([^']{0,200})')?|Invalid (?:value|enum value)[^'\"]{0,40} at '([^']{1,200})'"
    r"|Invalid value \(([\w.\[\]]{1,200})\)"
)
_GO = lazy_pattern(r"Go (?:struct field|value) \w+\.([\w.]{1,200}) of type")
_JACKSON = lazy_pattern(r"reference chain: ([^)]{1,600})")
_CHAIN = lazy_pattern(r"\[\"([^\"]{1,80})\"\]|\[(\d{1,6})\]")
_ELASTIC = lazy_pattern(
    r"(?:nknown (?:query|field|key|parameter|aggregation type)|does not support|mapping found for|parse field"
    r"|nrecognized parameters?:?|nknown key for an? \w+ in|disabled on) \[([^\]/]{1,80})\]"
)
_IN = lazy_pattern(rf"\bin\s{_Q}?(path|query|body|header|cookie|url)\b", re.IGNORECASE)
_PARAMETER_KIND = lazy_pattern(
    r"(path|query|url|header|body|form)\s(?:string\s)?(?:param|argument|field)", re.IGNORECASE
)
_QUOTED = lazy_pattern(rf"{_Q}([^\"'`‘’“”]{{1,80}}){_Q}")
_AFTER = lazy_pattern(
    r"(?::(?!\s[a-z]{3,20}\s[a-z])|\bgot|\bvalue|\breceived|\bwas|\bnumber|\bversion|invalid [\w ]{1,40})\s([\w@.:/*+=-]{3,80})"
)
_BRACKETED = lazy_pattern(r"\[([^\[\]\n]{3,80})\]")
_LONG_QUOTE = lazy_pattern(rf"(?:^|\s){_Q}([^\"'`]{{81,400}}){_Q}")
_ENGLISH = frozenset(
    """
    a access account all an and another any api are argument arguments array at attribute bad be body bool
    boolean both but by client content data date double e.g each either error errors exception expected failed
    false field fields float for format found from get got greater has header however i.e if in input instance
    int int32 int64 integer internal into invalid is it its json key length less list malformed match max
    maximum message method min minimum missing more must nan no none not null number object of one only or param
    parameter parameters parse parsing path payload permission please post properties property query reason
    request required resource response resulting rpc schema server server-side should something ssh string such
    syntax than that the then there these this to token true type unable unauthorized unexpected unknown
    unsupported uri url user uuid valid validation value values was we what when which with xml you your
    following same given specified provided requested supplied first last new other target main
    """.split()  # noqa: SIM905
)


_NEVER_NAMES = frozenset(
    {
        "a",
        "an",
        "the",
        "is",
        "not",
        "must",
        "be",
        "of",
        "value",
        "values",
        "in",
        "for",
        "at",
        "valid",
        "one",
        "errors",
        "error",
        "details",
    }
)


def names_in(message: str) -> list[tuple[str, str | None]]:
    """Find the names of fields in a sentence, the surest first, each with its location if the sentence says it.

    Examples
    --------
    >>> names_in('invalid parameter "appKeyId" in "path"; expected type "uuid"')
    [('appKeyId', 'path')]
    >>> names_in("start_hr [YYYY-MM-DDThh] must be before end_hr [YYYY-MM-DDThh]")
    [('start_hr', None), ('end_hr', None)]
    >>> names_in("Event too far in the past")
    []
    """
    message = _LONG_QUOTE.sub(" ", message[:_LIMIT])  # a text of the request, which holds no name of a field
    location = _location(message)
    found: dict[str, str | None] = {}
    if "nknown name" in message or "nvalid value" in message or "nvalid enum value" in message:
        for match in _PROTOBUF.finditer(message):  # the paths of protobuf's JSON parser
            name = match[3] or match[4] or (f"{match[2]}.{match[1]}" if match[2] else match[1])
            found.setdefault(name, "body")
    for name in _of_deserializers(message):
        found.setdefault(name, "body" if "parameter" not in message else None)
    mentions_a_field = _mentions_a_field(message)
    for pattern, own, explicit, needs_field_word in _PATTERNS:
        if needs_field_word and not mentions_a_field:
            continue
        for match in pattern.finditer(message):
            name = match[1].strip().rstrip(".,:;[")
            name = re.split(r"[,:] ?", name)[0] if not re.fullmatch(r"[\w.]+,\w+", name) else name
            if (
                name
                and (explicit or name.lower() not in _ENGLISH)
                and name.lower() not in _NEVER_NAMES
                and not name.lower().startswith(("non-", "pre-", "re-"))
                and len(found) < 8
            ):
                found.setdefault(name, own or location)
    return list(found.items())


def _of_deserializers(message: str) -> list[str]:
    """The paths in the messages of encoding/json of Go, of Jackson, and of Elasticsearch."""
    if "Go " in message:
        return [found[1] for found in _GO.finditer(message)][:1]
    if "reference chain" in message:
        chain = _JACKSON.search(message)
        steps = _CHAIN.findall(chain[1]) if chain is not None else []
        return [".".join(name or number for name, number in steps)] if steps else []
    return [found[1] for found in _ELASTIC.finditer(message)][:1] if "[" in message else []


def _mentions_a_field(message: str) -> bool:
    """Whether a word such as "field" or "parameter" is in the sentence; six of the patterns need one."""
    if not message.isascii():  # beyond ASCII, an expression ignores more than lower() does
        return True
    lowered = message.lower()
    return any(stem in lowered for stem in _KIND_STEMS)


def _location(message: str) -> str | None:
    match = _IN.search(message) or _PARAMETER_KIND.search(message)
    if match is None:
        return None
    word = match[1].lower()
    return {"url": "path", "cookie": "header", "form": "body"}.get(word, word)


def quoted_in(message: str) -> list[str]:
    """Every short text in quotes, common English words too: each may be a whole value of the request.

    Examples
    --------
    >>> quoted_in("'string' can not be converted to a Blob")
    ['string']
    """
    return list(dict.fromkeys(match[1].strip() for match in _QUOTED.finditer(message[:_LIMIT])))[:6]


def value_in(message: str) -> list[str]:
    """The values that a sentence quotes or repeats; they may be in the request.

    Examples
    --------
    >>> value_in("invalid partition: aws-test")
    ['aws-test']
    """
    message = message[:_LIMIT]
    values = [
        *[match[1].strip() for match in _QUOTED.finditer(message)],
        *[match[1].rstrip(".,:;") for match in _AFTER.finditer(message)],
        *[match[1].strip() for match in _LONG_QUOTE.finditer(message)],
        *[match[1].strip() for match in _BRACKETED.finditer(message)],
        message.rpartition(": ")[2].rstrip(". ")[:200],
    ]
    return [value for value in dict.fromkeys(values) if len(value) >= 3 and value.lower() not in _ENGLISH][:8]
