"""The handlers of the pages: one class per group, each with its routes."""
