"""What scores are used for: portraits of users, segments they belong to, and triggers that fire once."""
