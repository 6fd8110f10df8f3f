"""The embedded form of the log: one SQLite file, shared by any number of processes of one machine; or memory, for tests.

store.py   the file: layout, opening, transactions, waiting for others, errors in plain words
log.py     EmbeddedLog: the contract's Log, and the Tail
turns.py   the contract's Turns: poll, send, commit
group.py   who owns which partition: joining, dying, fencing
process.py whether another process is still there
cursor.py  reading: positions -> records
outbox.py  writing: messages -> records
cleaner.py compaction and retention
"""

from worker.log.embedded.log import EmbeddedLog

__all__ = ["EmbeddedLog"]
