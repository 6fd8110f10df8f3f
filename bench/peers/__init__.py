"""Other stream processors at the same job, each in an environment of its own: see README.md here."""
