"""The fleet cap [blast radius]: how many targets may be quarantined by machine at once. Pure.

`guard` is the rule; `log` has the records of the topic `fleet`, whose order decides; `participant` is one worker's
part: what it reads there and what it writes.
"""
