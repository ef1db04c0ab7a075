"""The cause malformed_xml: a body declared as XML that is not well-formed (https://www.w3.org/TR/xml/, section 2.1).

A prefix without a namespace (https://www.w3.org/TR/xml-names/, section 5) is well-formed XML; it is reported where a
server refused the request, as SOAP servers do.

Expat parses the body and gives the offset of the first error. Nothing external is fetched: there is no handler for
external entities. Internal entities are expanded only while the whole expansion stays small, so that a "billion
laughs" attack costs nothing (CWE-776).
"""

from __future__ import annotations

import codecs
from xml.parsers import expat

from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import CauseFinding, at_body
from halt400.diagnosis.media_types import is_xml
from halt400.lazy_patterns import lazy_pattern

__all__ = ["XmlDefect", "check_xml", "find"]

_EXPANSION_LIMIT = 4 << 20
_ENTITY_REFERENCE = lazy_pattern(r"&([^;#\s&]{1,128});")
_ENCODING = lazy_pattern(rb"<\?xml[^>]{0,200}?encoding\s{0,8}=\s{0,8}[\"']([A-Za-z0-9._-]{1,40})[\"']")
_LOOKS_XML = lazy_pattern(rb"\s{0,64}<(?:\?xml\s|[A-Za-z_][\w.:-]{0,128}[\s/>]|!--)")
_REMEDIES = {
    expat.errors.codes[
        expat.errors.XML_ERROR_TAG_MISMATCH
    ]: "Close every element with its own end tag, in reverse order.",
    expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS]: "Send one root element; the document is empty or was cut.",
    expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_TOKEN]: "Send the body whole: it ends inside a tag.",
    expat.errors.codes[expat.errors.XML_ERROR_DUPLICATE_ATTRIBUTE]: "Give each attribute once.",
    expat.errors.codes[
        expat.errors.XML_ERROR_UNDEFINED_ENTITY
    ]: "Write & as &amp; and use &lt; &gt; &quot; &apos; or numeric references: XML knows no name of HTML.",
    expat.errors.codes[expat.errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT]: "Send one root element and nothing after it.",
    expat.errors.codes[
        expat.errors.XML_ERROR_MISPLACED_XML_PI
    ]: "Start the body with the XML declaration: nothing, not even white space, may be before it.",
    expat.errors.codes[expat.errors.XML_ERROR_UNBOUND_PREFIX]: 'Declare the namespace prefix with xmlns:prefix="...".',
    expat.errors.codes[
        expat.errors.XML_ERROR_INCORRECT_ENCODING
    ]: "Declare the encoding that the bytes are in; best is UTF-8.",
}
_UNBOUND = expat.errors.codes[expat.errors.XML_ERROR_UNBOUND_PREFIX]
_TRUNCATED = {
    expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS],
    expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_TOKEN],
    expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION],
}


class XmlDefect(Exception):
    """The first place that is not well-formed; `offset` counts bytes, `code` is Expat's."""

    def __init__(self, offset: int, detail: str, code: int = 0) -> None:
        super().__init__(detail)
        self.offset = offset
        self.detail = detail
        self.code = code


def check_xml(data: bytes, *, namespaces: bool = False) -> XmlDefect | None:
    """Find the first place where `data` is not well-formed; None where it is well-formed.

    Parameters
    ----------
    data
        The document.
    namespaces
        Whether every prefix must have a namespace, too.

    Examples
    --------
    >>> check_xml(b"<order><id>7</id></order>") is None
    True
    >>> found = check_xml(b"<order><id>7</order>")
    >>> found.offset, found.detail
    (14, 'mismatched tag')
    """
    if not data.strip(b" \t\r\n"):
        return XmlDefect(len(data), "The body is empty; XML holds one root element.")
    declared = _ENCODING.match(data.lstrip(b"\xef\xbb\xbf"))
    encoding: str | None = None
    if declared is not None:
        data, encoding = _transcoded(data, declared[1].decode("ascii"))
    defect = _parse(data, encoding, expand=True, separator=" " if namespaces else None)
    if defect is not None and encoding is not None and declared is not None:
        before = data[: defect.offset].decode("utf-8", "ignore")
        defect.offset = len(before.encode(declared[1].decode("ascii"), "replace"))
    return defect


def _transcoded(data: bytes, name: str) -> tuple[bytes, str | None]:
    """Expat reads UTF-8, UTF-16, ISO-8859-1 and ASCII; other encodings are converted by Python's codecs."""
    if name.lower() in {"utf-8", "utf-16", "iso-8859-1", "us-ascii"}:
        return data, None
    try:
        if not codecs.lookup(name)._is_text_encoding:
            return data, None
        return data.decode(name).encode("utf-8"), "utf-8"
    except (LookupError, UnicodeError, AttributeError):
        return data, None


def _parse(data: bytes, encoding: str | None, *, expand: bool, separator: str | None) -> XmlDefect | None:
    parser = expat.ParserCreate(encoding, separator)
    sizes: dict[str, int] = {}
    references = data.count(b"&")
    bomb = False

    def declare(name: str, parameter: bool, value: str | None, *_: object) -> None:
        nonlocal bomb
        if value is None or parameter:
            return
        size = len(value) + sum(sizes.get(found[1], 0) for found in _ENTITY_REFERENCE.finditer(value))
        sizes.setdefault(name, min(size, _EXPANSION_LIMIT))
        if size * references > _EXPANSION_LIMIT:
            bomb = True
            raise XmlDefect(max(0, parser.CurrentByteIndex), "entities that expand to megabytes")

    if expand:
        parser.EntityDeclHandler = declare
    else:
        parser.DefaultHandler = lambda _data: None  # with a default handler, Expat does not expand internal entities
    try:
        parser.Parse(data, True)
    except XmlDefect as defect:
        return _parse(data, encoding, expand=False, separator=separator) or defect if bomb else defect
    except expat.ExpatError as error:
        if error.code == expat.errors.codes[expat.errors.XML_ERROR_UNKNOWN_ENCODING]:
            return None
        return XmlDefect(max(0, parser.ErrorByteIndex), expat.ErrorString(error.code), error.code)
    except (ValueError, LookupError) as error:
        return XmlDefect(0, f"The declared encoding cannot be read: {error}.")
    return None


def find(exchange: Exchange) -> list[CauseFinding]:
    """Report the first place where a body that is declared as XML is not well-formed.

    Examples
    --------
    >>> from halt400.records import Request
    >>> headers = [("Content-Type", "application/xml")]
    >>> request = Request(method="POST", url="https://api.shop.example/", headers=headers, body="<a>&nbsp;</a>")
    >>> find(Exchange(request))[0].evidence[0].detail
    'Not well-formed XML: undefined entity.'
    """
    body = exchange.parseable_body
    if body is None:
        return []
    declared = is_xml(exchange.media_type.essence)
    if not declared and (exchange.content_type is not None or not _LOOKS_XML.match(body)):
        return []
    if declared and not body and exchange.method.upper() not in {"POST", "PUT", "PATCH"}:
        return []
    defect = check_xml(body)
    confidence = 0.96 if declared else 0.6
    if defect is None:
        defect = check_xml(body, namespaces=True) if exchange.refused and b":" in body else None
        if defect is None or defect.code != _UNBOUND:
            return []
        confidence = 0.85 if declared else 0.5
    detail = defect.detail if defect.detail.endswith(".") else f"Not well-formed XML: {defect.detail}."
    if defect.code == _UNBOUND:
        detail = "The prefix of this element, or of an attribute of it, is declared nowhere."
    if not body:
        confidence = 0.7
    elif exchange.json is not None:
        confidence = 0.6  # the body is valid JSON: the declared type is wrong, not the body
    remedy = _REMEDIES.get(defect.code, "Build the body with an XML library, which escapes and closes for you.")
    if defect.code in _TRUNCATED and body:
        remedy = "Send the body whole: it was cut, or an element is not closed."
    return [
        CauseFinding(
            cause="malformed_xml",
            confidence=confidence,
            remedy=remedy,
            evidence=[at_body(body, defect.offset, detail)],
        )
    ]
