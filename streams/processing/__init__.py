"""What is done with one fold: its records are decoded and applied to their targets, and what follows is sent.

`decoding`, `target`, `target_store`, `context`, `partition` and `outcome` are pure. `engine` applies folds to the
partitions of `assignment`, `output_sender` sends the outcomes, and `checkpoint` makes them durable.
"""
