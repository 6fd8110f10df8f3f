"""What a worker shows of itself over HTTP: the page, the metrics, the probes. One thread beside the loop, which never waits for it.

Read in this order: requests (bytes to a request), server (connections and their bounds), access (who is let in), site (paths to answers),
probes (alive, ready), history (figures over time), likeliest (users), status (all of it as JSON), page/ (what shows it).
"""
