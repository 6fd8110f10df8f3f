"""What a destination is allowed to be: its form, its templates, its address and its secrets, each checked as the configuration is read."""
