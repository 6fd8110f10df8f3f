"""The commands: they parse, call and print; what they call lives on the floors below.

app.py lists them, errors.py shows what went wrong, and each other file is the one command of its name.
"""
