"""The examination of an installation, for `halt400 doctor`: what is wrong, and the mend of each."""

from streams.doctor.check_result import CheckResult
from streams.doctor.examination import examine

__all__ = ["CheckResult", "examine"]
