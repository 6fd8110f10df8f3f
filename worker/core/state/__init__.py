"""A partition's memory as changelog records, and back."""
