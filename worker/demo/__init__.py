"""A synthetic shop that knows the truth: every event comes with the probabilities that a perfect scorer would give it."""
