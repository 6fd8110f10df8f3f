"""Event records into columns: bytes, fields, times and names; what is not an event becomes a dead letter."""
