"""The fleet-wide cap: how many targets may be quarantined by machine at once. Pure.

`guard` is the rule; `log` is the one order of requests and grants that every worker reads; `participant` is the part
of one worker.
"""
