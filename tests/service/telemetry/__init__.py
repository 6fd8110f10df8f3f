"""Tests of what a worker tells of itself."""
