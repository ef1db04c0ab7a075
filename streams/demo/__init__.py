"""The demonstration: a scraper's new release sends broken JSON, and is halted, with real HTTP and a real worker."""

from streams.demo.scenario import run_demo
from streams.demo.steps import STEPS, DemoOutcome, DemoStep

__all__ = ["STEPS", "DemoOutcome", "DemoStep", "run_demo"]
