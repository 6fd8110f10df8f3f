"""The trainers: examples into models."""
