"""The field's own work, pure: bytes and arrays in, arrays and records out.

Nothing here reads a clock, a port, the environment or a broker; time comes in with the events, so a replay is exact.
Read in the order of the flow: events, profiles, features, scorecard, targets, trainer, calibration, pipeline.
"""
