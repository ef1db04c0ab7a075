"""The HTTP API: rates of every target and the quarantines, answered by any process from its own memory.

Nothing is imported here: the command line takes the names in `choices` at each start, and loads no server for them.
"""
