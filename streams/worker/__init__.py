"""The worker: its two processes, how they start and how they end.

`run` starts one. `detect_process` reads responses, counts them and issues commands; `follow_up_process` archives
offences and alerts people; `agents` has their Faust agents, `loops` what they do at intervals.
"""
