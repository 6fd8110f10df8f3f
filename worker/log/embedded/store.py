"""The file of an embedded log: its layout, how it is opened, its transactions, and its errors in plain words.

The other files read and write the tables of SCHEMA. One Store is one SQLite connection behind one lock; threads may share
it, other processes open their own.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Condition, RLock
from typing import Literal
from urllib.parse import quote

from worker.log.errors import LayoutTooNew, LogCorrupt, LogError, LogFull, LogLocked, LogMissing, LogUnavailable, LogUnusable, NotALog, RecordRefused

Synchronous = Literal["normal", "full"]

LAYOUT = 1  # raise it with every change of SCHEMA, and say in _open() how the older one is carried over
APPLICATION_ID = 0x636C6B73  # "clks", in the file's header: tells a log from any other SQLite file
OFFSET_BITS = 40  # records.id = partitions.id << 40 | offset: a partition is one range of one integer key
CHECKPOINT_PAGES = 4_000  # 16 MiB of write-ahead log between two copies into the file; four times SQLite's default
WAL_KEPT_BYTES = 64 << 20  # what a burst has blown up beyond this is given back to the disk
FIRST_PAUSE_S = 0.000_5  # of a wait for other processes: a quick answer first,
LAST_PAUSE_S = 0.010  # then at most 100 looks a second, which cost less than 1 % of a core

SCHEMA = """
CREATE TABLE topics (name TEXT PRIMARY KEY, partitions INTEGER NOT NULL, cleanup TEXT NOT NULL,
    retention_ms INTEGER, retention_bytes INTEGER, tombstone_ms INTEGER NOT NULL);
CREATE TABLE partitions (id INTEGER PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL,
    start_offset INTEGER NOT NULL DEFAULT 0, end_offset INTEGER NOT NULL DEFAULT 0, UNIQUE (topic, partition));
CREATE TABLE records (id INTEGER PRIMARY KEY, timestamp_ms INTEGER NOT NULL, key BLOB, headers BLOB, value BLOB);
CREATE TABLE groups (name TEXT PRIMARY KEY, generation INTEGER NOT NULL);
CREATE TABLE members (group_name TEXT NOT NULL, name TEXT NOT NULL, epoch INTEGER NOT NULL, topics TEXT NOT NULL,
    process TEXT NOT NULL, lease_until_ms INTEGER NOT NULL, PRIMARY KEY (group_name, name));
CREATE TABLE positions (group_name TEXT NOT NULL, partition_id INTEGER NOT NULL, position INTEGER NOT NULL,
    owner INTEGER, PRIMARY KEY (group_name, partition_id)) WITHOUT ROWID;
"""

Token = tuple[int, int]


class Store:
    """An open log file, or a log in memory when `path` is None. Parameters as in EmbeddedLog."""

    def __init__(self, path: Path | None, *, create: bool, synchronous: Synchronous, lock_timeout_s: float, size_limit_bytes: int | None) -> None:
        self.path = path
        self.where = f"log {path}" if path else "log in memory"
        self._again = partial(Store, path, create=False, synchronous=synchronous, lock_timeout_s=lock_timeout_s, size_limit_bytes=size_limit_bytes)
        self._lock_timeout_s = lock_timeout_s
        self._changed = Condition(RLock())
        self._own_commits = 0
        if path:
            _refuse_unreachable(path, create)
        with self._plain_errors():
            name = f"file:{quote(str(path.absolute()))}?mode={'rwc' if create else 'rw'}" if path else ":memory:"
            # isolation_level None: this file alone says where a transaction begins and ends
            self.connection = sqlite3.connect(name, uri=True, isolation_level=None, timeout=lock_timeout_s, check_same_thread=False, cached_statements=512)
        try:
            with self._plain_errors():
                self._open(synchronous, size_limit_bytes)
        except BaseException:
            self.connection.close()
            raise

    def again(self) -> Store:
        """A second connection to the same log, for long work that must not hold up the first; in memory, the same."""
        return self._again() if self.path else self

    def _open(self, synchronous: Synchronous, size_limit_bytes: int | None) -> None:
        with self.snapshot():  # or what another process is just creating would look like somebody else's database
            is_new = self._recognise()
        if self.path:
            self._enter_wal_mode()
        self.connection.execute(f"PRAGMA synchronous={synchronous}")
        self.connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        self.connection.execute(f"PRAGMA journal_size_limit={WAL_KEPT_BYTES}")
        if size_limit_bytes is not None:
            self.connection.execute(f"PRAGMA max_page_count={max(1, size_limit_bytes // self._pragma('page_size'))}")
        if is_new:
            with self.transaction() as db:
                if self._recognise():  # another process may have been quicker
                    for statement in filter(str.strip, SCHEMA.split(";")):
                        db.execute(statement)
                    db.execute(f"PRAGMA application_id={APPLICATION_ID}")
                    db.execute(f"PRAGMA user_version={LAYOUT}")

    def _recognise(self) -> bool:
        """True: an empty file, to become a log. False: a log of our layout. Anything else raises, before it is changed."""
        application, layout = self._pragma("application_id"), self._pragma("user_version")
        tables = {name for (name,) in self.connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if application == 0 and layout == 0 and not tables:
            return True
        if application != APPLICATION_ID:
            raise NotALog("this is an SQLite file, but not a log", self.where, "name another file; this one was left as it is")
        if layout > LAYOUT:
            raise LayoutTooNew(
                f"the log has layout {layout}, this program knows layouts up to {LAYOUT}",
                self.where,
                "run the version of clickscore that wrote it, or a newer one",
            )
        if missing := {"topics", "partitions", "records", "groups", "members", "positions"} - tables:
            raise self._corrupt(f"tables are missing: {', '.join(sorted(missing))}")
        return False

    def _enter_wal_mode(self) -> None:
        deadline = time.monotonic() + self._lock_timeout_s
        while True:  # SQLite does not wait for a lock here, however long its timeout
            try:
                (mode,) = self.connection.execute("PRAGMA journal_mode=WAL").fetchone()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(LAST_PAUSE_S)
            else:
                break
        if mode != "wal":
            raise LogUnusable(f"the file system does not allow a write-ahead log (SQLite stays in mode {mode})", self.where, "put the file on a local disk")

    def _pragma(self, name: str) -> int:
        (value,) = self.connection.execute(f"PRAGMA {name}").fetchone()
        return int(value)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write: all of it or, after any error, nothing. Takes the write lock at once, so that nothing read in it can be outdated."""
        with self._bracket("BEGIN IMMEDIATE") as db:
            yield db
        with self._changed:
            self._own_commits += 1
            self._changed.notify_all()

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Read: everything in it is as of one moment. Keep it short: the write-ahead log cannot be reused meanwhile."""
        with self._bracket("BEGIN") as db:
            yield db

    @contextmanager
    def _bracket(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._changed, self._plain_errors():
            self.connection.execute(begin)
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:  # SQLite has ended it itself after some errors
                    self.connection.execute("ROLLBACK")
                raise

    def token(self) -> Token:
        """Changes whenever anyone commits to the log: take it, look, and wait() with it, and nothing is missed."""
        with self._changed, self._plain_errors():
            return self._pragma("data_version"), self._own_commits

    def wait(self, seen: Token, timeout_s: float) -> None:
        """Return when the log has changed since `seen`, at latest after timeout_s. Threads of this store wake each other at once."""
        deadline = time.monotonic() + timeout_s
        pause_s = FIRST_PAUSE_S
        with self._changed:
            while (left_s := deadline - time.monotonic()) > 0 and self.token() == seen:
                self._changed.wait(min(pause_s, left_s))
                pause_s = min(pause_s * 1.5, LAST_PAUSE_S)

    def close(self) -> None:
        """The last one to close a file also brings it up to date and removes its write-ahead log."""
        with self._changed:
            self.connection.close()

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._in_plain_words(error) from error

    def _corrupt(self, detail: str) -> LogCorrupt:
        return LogCorrupt(
            f"the file is damaged ({detail})",
            self.where,
            "keep a copy, restore a backup, or recover what can be read with the sqlite3 command .recover into a new file",
        )

    def _in_plain_words(self, error: sqlite3.Error) -> Exception:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            what = f"another process has held the write lock for more than {self._lock_timeout_s:g} s"
            return LogLocked(what, self.where, "end it if it hangs (a backup, an open sqlite3 shell), then try again; nothing was written")
        if code == sqlite3.SQLITE_FULL:
            return LogFull(
                "no room is left on the disk or below the log's size limit", self.where, "make room or raise the limit, then try again; nothing was written"
            )
        if code == sqlite3.SQLITE_IOERR:
            return LogUnavailable(f"the disk does not read or write ({error})", self.where, "look at the disk and its quota, then try again")
        if code == sqlite3.SQLITE_NOTADB:
            return NotALog("this is not a log", self.where, "name another file; this one was left as it is")
        if code == sqlite3.SQLITE_CORRUPT:
            return self._corrupt(str(error))
        if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
            return LogMissing(f"the file cannot be opened for writing ({error})", self.where, "allow this user to write the file and its folder")
        if code == sqlite3.SQLITE_TOOBIG:
            return RecordRefused("a record is larger than SQLite can hold", self.where, "send smaller records")
        return LogError(str(error), self.where, "this is a fault of the program; please report it")


def _refuse_unreachable(path: Path, create: bool) -> None:
    """SQLite says "unable to open database file" to all of these."""
    if path.is_dir():
        raise LogMissing("this is a folder", f"log {path}", "name a file")
    if not path.exists() and not create:
        raise LogMissing("there is no such file", f"log {path}", "check the name, or create the log by running a scorer or `clickscore send` on it")
    if not path.parent.is_dir():
        raise LogMissing(f"the folder {path.parent} does not exist", f"log {path}", "create the folder")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise LogMissing("this user may not write it", f"log {path}", "allow it, for the file and for its folder")
