"""From the topic of triggers to the queue of one destination, and which positions may be committed."""
