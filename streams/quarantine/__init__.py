"""The life of a quarantine, pure: `lifecycle` has its states and transitions, `ids` the ids of its commands."""
