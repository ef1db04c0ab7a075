"""The demonstration: a scraper's new release sends broken JSON, and is halted. Nothing in it is acted."""

from streams.demo.stage import run_demo
from streams.demo.story import STEPS, DemoOutcome, StoryStep

__all__ = ["STEPS", "DemoOutcome", "StoryStep", "run_demo"]
