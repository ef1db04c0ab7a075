"""One public class, one name: what stands twice in the code is two things that a reader takes for one."""

import re
from collections import Counter
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


def test_no_public_class_name_stands_twice() -> None:
    names = Counter(
        name
        for folder in ("halt400", "streams")
        for module in (REPOSITORY / folder).rglob("*.py")
        for name in re.findall(r"^class ([A-Z]\w*)", module.read_text(), re.MULTILINE)
    )
    assert [name for name, number in names.items() if number > 1] == []
