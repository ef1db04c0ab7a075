"""Child processes that end when their parent ends, however it ends."""

from streams.processes.guarded import GuardedProcess, without_frames

__all__ = ["GuardedProcess", "without_frames"]
