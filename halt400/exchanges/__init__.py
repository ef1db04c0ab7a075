"""Recorded exchanges as people have them at hand: HAR, a raw HTTP request, a curl command line, JSON lines.

Reading is pure: bytes in, records out. Pseudo-headers, odd bytes and requests without a response are kept, because
the diagnosis looks at exactly those.
"""

from halt400.exchanges.recorded import Recorded
from halt400.exchanges.sniffing import FORMATS, InputFormat, read_exchanges

__all__ = ["FORMATS", "InputFormat", "Recorded", "read_exchanges"]
