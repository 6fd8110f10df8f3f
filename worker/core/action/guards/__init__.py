"""Who may be written to, and when."""
