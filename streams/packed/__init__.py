"""Folds of `responses` as record batches, not one object for each record: what a native extension counts. Pure.

The extension is optional: `find_native` says whether it is built. `streams.processing.event_runs` says what it is for.
"""

from streams.packed.packed_records import PackedRecord, PackedRecords, find_native

__all__ = ["PackedRecord", "PackedRecords", "find_native"]
