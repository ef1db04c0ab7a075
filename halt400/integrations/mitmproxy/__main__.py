"""Prints the path of the script that mitmproxy loads."""

import sys
from pathlib import Path

sys.stdout.write(f"{Path(__file__).with_name('script.py')}\n")
