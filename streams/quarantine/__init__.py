"""The life of a quarantine [circuit breaker], pure: `lifecycle`, command ids (`ids`), what it saved (`not_sent`)."""
