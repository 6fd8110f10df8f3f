"""What begins and ends to hold, and the rules that are crossed by it."""
