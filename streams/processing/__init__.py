"""What is done with one fold: its records are decoded, counted and judged, and what follows is sent and made durable.

`decoding`, `target`, `context` and `partition` are pure; `engine` applies them and writes to Kafka.
"""
