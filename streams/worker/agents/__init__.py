"""The Faust agents: each reads one topic in folds and gives them to what processes them, and does nothing else."""
