"""The worker: its two processes, how they start and how they end.

`run` starts one. `detect_process` reads responses, counts and issues commands; `follow_up_process` archives offences
and alerts people; `agents` are the Faust agents that they register.
"""
