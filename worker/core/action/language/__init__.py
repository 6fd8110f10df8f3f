"""Conditions: texts, checked and compiled, and worked out over columns."""
