"""The worker as a service over a log: everything that touches a clock, a signal or a port.

Read in this order: loop (the turns of a process), scorer (events to scores, one transaction a turn), restore (a partition's state, read back),
trainer (examples to models), models (the scorecards in force), telemetry (what is logged and counted), assembly (all of it put together).
"""
