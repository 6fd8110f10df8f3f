"""From a score to its label: decisions that wait for their windows, the outcomes that settle them, and the examples that come of it."""
