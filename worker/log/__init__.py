"""The log: topics in and out, with exactly-once turns. contract.py says what holds; the forms stand behind it."""
