from typing import Any

INTERFACE: int

class Batch:
    def __new__(cls, head: bytes, data: bytes, begin: int, end: int, start: int, /) -> Batch: ...
    def __len__(self) -> int: ...
    def apply(
        self,
        place: int,
        index: int,
        targets: dict[bytes, Any],
        changed: set[bytes],
        recent: set[str],
        older: set[str],
        skew_ms: int,
        learns: bool,
        /,
    ) -> tuple[int, int, int]: ...
    def event(self, place: int, index: int, /) -> tuple[Any, ...]: ...
    def offset(self, place: int, /) -> int: ...
    def record(self, place: int, /) -> tuple[Any, ...]: ...

def set_classes(class_of_status: bytes, /) -> None: ...
