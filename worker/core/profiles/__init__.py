"""What is kept of a user: a row of numbers, moved on by each of their events and faded by time."""
