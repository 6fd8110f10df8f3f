"""What conditions read of a user, at which moments."""
