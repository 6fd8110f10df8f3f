"""Requests to be forgotten, from the topic to the receipt: asking, carrying out, sweeping an embedded log, and looking for what is left."""
