"""A real Kafka broker for the demo, the bench and the tests: one node on loopback, gone when its starter is gone.

sources.py     where Kafka comes from: a running one, an unpacked one, Maven's jars, a container
properties.py  what the broker is told: listeners, logins, who may do what
process.py     the broker as a process: start, stop, kill, restart, pause
keeper.py      the process between, which ends the broker when the starter is gone
readiness.py   whether a broker answers
"""

from worker.demo.broker.process import Broker, BrokerFailed
from worker.demo.broker.properties import BrokerOptions, Listener
from worker.demo.broker.sources import BrokerMissing, Image, Jars, Running, Source, find

__all__ = ["Broker", "BrokerFailed", "BrokerMissing", "BrokerOptions", "Image", "Jars", "Listener", "Running", "Source", "find"]
