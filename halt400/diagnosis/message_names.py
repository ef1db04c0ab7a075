"""Names of fields in a server's sentence, and the values that it quotes.

Sentences such as "The parameter 'month/day' is required", "invalid parameter "appKeyId" in "path"" or
"start_hr must be before end_hr". Quoted words and words that look like identifiers are names; English is not.
"""

from __future__ import annotations

import re

__all__ = ["names_in", "value_in"]

_LIMIT = 1200
_Q = r"[\"'`‘’“”]"
_WORD = r"[A-Za-z_$][\w$.\[\]/-]{0,79}"
_KIND = r"(?:parameters?|params?|fields?|attributes?|property|properties|arguments?|keys?|columns?|members?|inputs?|variables?|elements?|options?|query string|url param)"
_IDENTIFIER = (
    r"(?:[A-Za-z][A-Za-z0-9]*_[A-Za-z0-9_.]*[A-Za-z0-9]|[a-z]+[a-z0-9]*[A-Z][A-Za-z0-9]*|[a-z]\w*(?:\.[a-z_]\w*)+)"
)
_VERDICT = r"(?:is|was|are|were|must|should|cannot|can't|can not|has|have|may|needs?|does|do|not|contains?|expects?|failed|required|invalid|missing|Invalid|weren't|wasn't)"
_PATTERNS = tuple(
    (re.compile(pattern), location)
    for pattern, location in (
        # parameter 'x', field "x", attribute `x`, property: x
        (
            rf"(?i:{_KIND})\s?:?\s?(?:named?\s|called\s|value\s(?:for|of)\s)?{_Q}({_WORD}(?:[,:] ?[\w. -]{{1,60}})?){_Q}",
            None,
        ),
        (rf"{_Q}({_WORD}){_Q}\s(?:(?:query|path|body|url|request|form|required)\s)?(?i:{_KIND})\b", None),
        (rf"{_Q}({_WORD}){_Q}\s(?:\(.{{0,40}}?\)\s)?{_VERDICT}\b", None),
        # {'group_widget': ['Missing data for required field.']}, {"include": ["..."]}
        (rf"[{{,]\s?{_Q}({_WORD}){_Q}\s?:\s?\[{_Q}", None),
        # missing/required/unknown/unexpected x
        (
            rf"(?i:missing|required|unknown|unrecognized|unrecognised|unexpected|unsupported|undefined|invalid|bad|empty|duplicate|extra|illegal)\s(?i:(?:required|request|value for|value of|query|path|body|url|input|the|a|an)\s){{0,3}}(?i:{_KIND}\s?:?\s?)?{_Q}({_WORD}){_Q}",
            None,
        ),
        (rf"(?i:additional properties (?:are )?not allowed)[^\"']{{0,20}}{_Q}({_WORD}){_Q}", "body"),
        (rf"(?i:{_KIND})\s?[:=]\s?({_IDENTIFIER}|[a-z][\w.-]{{1,60}})(?=$|[\s,.;)])", None),
        (rf"(?i:missing (?:the )?(?:required )?(?:{_KIND}):?)\s({_WORD})", None),
        (rf"(?i:at|on|for|in) {_Q}({_WORD}){_Q} (?i:failed|is|must|was)", None),
        (rf"(?i:param(?:eter)? is missing or the value is empty: )({_WORD})", None),
        # identifiers in the open: snake_case, camelCase, dotted
        (rf"(?<![\w'\"/.@-])({_IDENTIFIER})(?![\w'\"@]|\.\w|\()", None),
        # first word of the sentence: "limit must be ...", "Invalid limit"
        (
            rf"^\s?({_WORD})\s(?:\[[^\]]{{0,60}}\]\s)?(?:is|must|should|cannot|can't|has to|needs to|was)\s(?:be|not|required|missing|invalid|a|an|too|one|greater|less|at|blank|empty|of)\b",
            None,
        ),
        (
            rf"(?:^|[:;] )(?i:invalid|missing|unknown|bad|malformed|unsupported|incorrect)\s(?:value for\s|the\s)?([A-Za-z_][\w.-]{{1,60}})\s?(?:$|[:,.;]|\s(?:{_Q}|value|format|supplied|provided|specified|given|must|is))",
            None,
        ),
        (rf"{_Q}({_WORD}){_Q}(?=(?:, | and | or ){_Q})", None),
    )
)
_IN = re.compile(rf"\bin\s{_Q}?(path|query|body|header|cookie|url)\b", re.IGNORECASE)
_PARAMETER_KIND = re.compile(r"(path|query|url|header|body|form)\s(?:string\s)?(?:param|argument|field)", re.IGNORECASE)
_QUOTED = re.compile(rf"{_Q}([^\"'`‘’“”]{{1,80}}){_Q}")
_AFTER = re.compile(r"(?::|\bgot|\bvalue|\breceived|\bwas|invalid [\w ]{1,40})\s([\w@.:/*+-]{3,80})")
_ENGLISH = frozenset(
    ["a", "an", "and", "any", "api", "are", "argument", "arguments", "array", "at", "attribute", "bad", "be", "body", "boolean", "but", "by", "client", "content", "data", "date", "error", "errors", "exception", "expected", "failed", "field", "fields", "for", "format", "found", "from", "get", "got", "greater", "has", "header", "if", "in", "input", "int", "integer", "internal", "into", "invalid", "is", "it", "its", "json", "key", "length", "less", "list", "malformed", "match", "max", "maximum", "message", "method", "min", "minimum", "missing", "more", "must", "no", "not", "null", "number", "object", "of", "one", "only", "or", "param", "parameter", "parameters", "parse", "parsing", "path", "payload", "permission", "please", "post", "properties", "property", "query", "request", "required", "resource", "response", "schema", "server", "should", "something", "string", "syntax", "than", "that", "the", "then", "there", "this", "to", "token", "type", "unable", "unexpected", "unknown", "unsupported", "uri", "url", "user", "uuid", "valid", "validation", "value", "values", "was", "when", "which", "with", "xml", "you", "your", "resulting", "reason", "bool", "true", "false", "none", "nan", "float", "int64", "int32", "double", "unauthorized", "access", "account", "instance", "server-side", "however", "either", "each", "all", "these", "what", "both", "e.g", "i.e"]
)  # fmt: skip


def names_in(message: str) -> list[tuple[str, str | None]]:
    """Find the names of fields in a sentence, the surest first, each with its location where the sentence says it.

    Examples
    --------
    >>> names_in('invalid parameter "appKeyId" in "path"; expected type "uuid"')
    [('appKeyId', 'path')]
    >>> names_in("start_hr [YYYY-MM-DDThh] must be before end_hr [YYYY-MM-DDThh]")
    [('start_hr', None), ('end_hr', None)]
    >>> names_in("Event too far in the past")
    []
    """
    message = message[:_LIMIT]
    location = _location(message)
    found: dict[str, str | None] = {}
    for pattern, own in _PATTERNS:
        for match in pattern.finditer(message):
            name = match[1].strip().rstrip(".,:;[")
            name = re.split(r"[,:] ?", name)[0] if not re.fullmatch(r"[\w.]+,\w+", name) else name
            if name and name.lower() not in _ENGLISH and len(found) < 8:
                found.setdefault(name, own or location)
    return list(found.items())


def _location(message: str) -> str | None:
    match = _IN.search(message) or _PARAMETER_KIND.search(message)
    if match is None:
        return None
    word = match[1].lower()
    return {"url": "path", "cookie": "header", "form": "body"}.get(word, word)


def value_in(message: str) -> list[str]:
    """The values that a sentence quotes or repeats, which may stand in the request.

    Examples
    --------
    >>> value_in("invalid partition: aws-test")
    ['aws-test']
    """
    message = message[:_LIMIT]
    values = [match[1].strip() for match in _QUOTED.finditer(message)] + [
        match[1].rstrip(".,:;") for match in _AFTER.finditer(message)
    ]
    return [value for value in dict.fromkeys(values) if len(value) >= 3 and value.lower() not in _ENGLISH][:8]
