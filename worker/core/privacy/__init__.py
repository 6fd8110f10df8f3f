"""Erasure: what a user asks to be forgotten, how it is forgotten, and the receipt that says so without naming anybody."""
