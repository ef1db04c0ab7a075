"""Which of a storm's offences are kept: the first of a signature, then fewer and fewer, with all of them counted.

Off unless configured: every 400 is archived. Where one broken release sends a million equal 400s, the twentieth tells
what the millionth tells, and `Storm` keeps the archive small without hiding anything: each signature is judged by its
own count only, so a signature that was never seen before is always kept, whatever else is raging.

Pure, and the same for the same input: a signature's offences come from one partition of one target, counted in order.
"""

from collections import OrderedDict

import msgspec

__all__ = ["Manifest", "SignatureCount", "Storm", "keep"]


def keep(signature_count: int, storm_keep: int | None = None) -> bool:
    """Whether the n-th offence of one signature is kept.

    Parameters
    ----------
    signature_count
        Which one it is, from 1.
    storm_keep
        How many are kept whole; None keeps every one. Beyond it one in 2, then one in 4, one in 8 and so on is kept,
        each step twice as long as the one before: of n offences about ``storm_keep * (1 + log2(n / storm_keep) / 2)``
        are kept.

    Examples
    --------
    >>> [n for n in range(1, 101) if keep(n, 20)][18:]
    [19, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 44, 48, 52, 56, 60, 64, 68, 72, 76, 80, 88, 96]
    >>> sum(keep(n, 20) for n in range(1, 1_000_001))
    175
    """
    if storm_keep is None or signature_count <= storm_keep:
        return True
    step = 1 << ((signature_count - 1) // storm_keep).bit_length()
    return signature_count % step == 0


class SignatureCount(msgspec.Struct, kw_only=True):
    """What is known of one signature: all that were seen, and those that were kept."""

    signature: str
    seen: int = 0
    kept: int = 0
    first_ms: int
    last_ms: int


class Manifest(msgspec.Struct, kw_only=True):
    """The exact counts of one target, archived beside the evidence.

    `forgotten` counts the signatures that were dropped from memory when there were more than it holds; their offences
    count in `seen` and `kept`, and one that comes back starts at 1 again: it is kept, not hidden.
    """

    target: str
    seen: int = 0
    kept: int = 0
    forgotten: int = 0
    signatures: list[SignatureCount] = []


class Storm:
    """Counts one target's offences by signature and says which are kept.

    Parameters
    ----------
    target
        Whose offences these are.
    storm_keep
        See `keep`.
    signatures_max
        How many signatures are remembered; beyond them the one that was quiet for longest is forgotten.

    Examples
    --------
    >>> storm = Storm("api.shop.example", storm_keep=1)
    >>> [storm.offence("a", 0), storm.offence("a", 1), storm.offence("a", 2), storm.offence("b", 3)]
    [True, True, False, True]
    >>> storm.manifest().seen, storm.manifest().kept
    (4, 3)
    """

    def __init__(self, target: str, *, storm_keep: int | None = None, signatures_max: int = 10_000) -> None:
        self._manifest = Manifest(target=target)
        self._storm_keep, self._signatures_max = storm_keep, signatures_max
        self._counts: OrderedDict[str, SignatureCount] = OrderedDict()

    def offence(self, signature: str, time_ms: int) -> bool:
        """Count one offence; whether its evidence is kept."""
        count = self._counts.get(signature)
        if count is None:
            count = self._counts[signature] = SignatureCount(signature=signature, first_ms=time_ms, last_ms=time_ms)
            if len(self._counts) > self._signatures_max:
                self._counts.popitem(last=False)
                self._manifest.forgotten += 1
        else:
            self._counts.move_to_end(signature)
        count.seen += 1
        count.first_ms, count.last_ms = min(count.first_ms, time_ms), max(count.last_ms, time_ms)
        self._manifest.seen += 1
        kept = keep(count.seen, self._storm_keep)
        count.kept += kept
        self._manifest.kept += kept
        return kept

    def manifest(self) -> Manifest:
        """The counts, the loudest signature first."""
        signatures = sorted(self._counts.values(), key=lambda count: (-count.seen, count.signature))
        return msgspec.structs.replace(self._manifest, signatures=[msgspec.structs.replace(one) for one in signatures])
