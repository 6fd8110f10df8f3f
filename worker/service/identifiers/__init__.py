"""Identifiers of users for advertising platforms: read from a file, written as a platform wants them, hashed; nothing of them is kept."""
