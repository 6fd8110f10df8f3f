"""The scorer: turns of events into scores, with the models in force and the state of its partitions."""
