"""Benchmarks that a user can run: `make bench`, or `python -m bench NAME…` for some of them."""
