"""The life of a quarantine, pure: states and transitions (`lifecycle`), ids (`ids`), what it has saved (`not_sent`)."""
