"""The contracts for everyone who is not Python: JSON Schemas, AsyncAPI, OpenAPI, made from the types that run.

``python -m streams.contracts`` writes them, ``--check`` says whether what is committed is what it would write.
"""
