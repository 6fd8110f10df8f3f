"""From examples to models: the online regressions, their snapshots, and how good they are."""
