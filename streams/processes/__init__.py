"""Child processes that end when their parent ends, even by SIGKILL."""

from streams.processes.supervised import SupervisedProcess, without_frames

__all__ = ["SupervisedProcess", "without_frames"]
