import ast
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "sdk.md"
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_guides_code_imports_what_exists(block: str) -> None:
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom):
            module = import_module(str(node.module))
            assert all(hasattr(module, alias.name) for alias in node.names)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_guides_code_names_real_parameters(block: str) -> None:
    names = {"halt400": import_module("halt400"), "httpx": import_module("halt400.integrations.httpx")}
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            for module in names.values():
                target = getattr(module, node.func.id, None)
                if target is not None:
                    inspect.signature(target).bind_partial(**{word.arg: None for word in node.keywords if word.arg})
