"""Tests of the same input again."""
