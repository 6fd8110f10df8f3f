"""What time it is for the events: the watermark of a partition, outages of its source, and holidays."""
