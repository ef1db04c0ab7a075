"""Readers of recorded exchanges: HAR, JSON lines, logs of servers; and of a raw request or a curl command to diagnose.

Every reader yields `RecordedExchange`. Pseudo-headers, odd bytes and requests without a response stay in it, because
the diagnosis needs them.
"""

from halt400.exchanges.event_builder import EventBuilder
from halt400.exchanges.for_diagnosis import DIAGNOSIS_FORMS, LARGEST_INPUT_BYTES, DiagnosisForm, read_for_diagnosis
from halt400.exchanges.formats import FORMAT_NAMES, FORMATS, Format, chosen_format, detect_format, read_exchanges
from halt400.exchanges.input_file import STDIN, InputFile
from halt400.exchanges.recorded import RecordedExchange, Unread

__all__ = [
    "DIAGNOSIS_FORMS",
    "FORMATS",
    "FORMAT_NAMES",
    "LARGEST_INPUT_BYTES",
    "STDIN",
    "DiagnosisForm",
    "EventBuilder",
    "Format",
    "InputFile",
    "RecordedExchange",
    "Unread",
    "chosen_format",
    "detect_format",
    "read_exchanges",
    "read_for_diagnosis",
]
