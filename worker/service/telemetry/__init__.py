"""What a worker tells of itself: metrics for machines, log lines for people.

Read in this order: specification (every metric there is), metrics (their values), happenings (what changes them, and the log lines), logging (the form of
the lines), reference (writes docs/telemetry.md). Nothing outside of this folder touches a metric: the service tells what happened, in the past tense.
"""
