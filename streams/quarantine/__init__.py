"""The life of a quarantine [circuit breaker]: states and transitions (`lifecycle`), ids of commands (`ids`). Pure."""
