"""The demonstration: a scraper's new release sends broken JSON, and is halted. Nothing in it is acted."""

from streams.demo.stage import run_demo
from streams.demo.story import STEPS, DemoOutcome, Step

__all__ = ["STEPS", "DemoOutcome", "Step", "run_demo"]
