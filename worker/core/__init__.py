"""The field's own work, pure: bytes and arrays in, arrays and records out.

Nothing here reads a clock, a port, the environment or a broker; time comes in with the events, so a replay is exact.
The folders in the order of the flow, which pipeline.py calls from top to bottom for every turn:

events       bytes to columns, or the reason why not
event_time   watermark, outages, holidays
profiles     a row of numbers a user, moved on by each event
labels       decisions wait for their windows; outcomes settle them; examples come of it
scoring      features, weights, calibration, reasons, records
learning     examples to models (the trainer; the pipeline does not call it)
state        a partition's memory as changelog records, and back
"""
