"""Generates the contracts for other languages, JSON Schemas, AsyncAPI and OpenAPI, and two pages of the docs.

``python -m streams.contracts`` writes them, ``--check`` finds committed files that differ from what it would write.
"""
