"""Files of events, whatever they are packed in: every form comes out as lines, each the bytes of one JSON record.

JSON lines, gzip, Zstandard and Parquet are told apart by their first bytes, so a name's ending does not matter. A file is read as a stream:
memory stays the same however large it is. What a line says is not looked at here.
"""

from __future__ import annotations

import gzip
import io
import stat
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from worker.core.events.fields import FIELDS, RECORD_BYTES, REQUIRED, TEXT_LIMITS
from worker.errors import ClickscoreError

if TYPE_CHECKING:
    import pyarrow as pa

LONGEST_LINE = 2 * RECORD_BYTES  # a longer line is cut here; what is left is still refused as too large
READ_BYTES = 1 << 18
ZSTD_INPUT = 1 << 12  # bytes given to the decompressor at once: the worst of them become 128 MiB
PARQUET_ROWS = 4_096

GZIP, ZSTD, PARQUET, BOM = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1", b"\xef\xbb\xbf"


class FileRefused(ClickscoreError):
    """A file of events that cannot be read, or not to its end."""


class EventFile:
    """An open file of events. `total_bytes` is its size on disk, None where nobody knows it (a pipe)."""

    def __init__(self, name: str, raw: io.RawIOBase | BinaryIO, total_bytes: int | None) -> None:
        self.name = name
        self.total_bytes = total_bytes
        self._counted = _Counted(raw)
        self._stream = io.BufferedReader(self._counted, READ_BYTES)

    @property
    def read_bytes(self) -> int:
        """Bytes taken from the file so far, packed as they are."""
        return self._counted.count

    def lines(self) -> Iterator[bytes]:
        """Every record's bytes, once, in the file's order, without their line ends; lines without any byte are passed over.

        Raises FileRefused for a packed file that is damaged or cut off, after the lines before the damage.
        """
        first = self._stream.peek(4)
        if first.startswith(PARQUET):
            return _parquet_lines(self.name, self._stream, self._counted)
        if first.startswith(ZSTD):
            return _lines(self.name, io.BufferedReader(_Zstd(self.name, self._stream), READ_BYTES))
        if first.startswith(GZIP):
            return _lines(self.name, io.BufferedReader(gzip.GzipFile(fileobj=self._stream), READ_BYTES))
        return _lines(self.name, self._stream)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def __enter__(self) -> EventFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_events(path: str | Path) -> EventFile:
    """Open a file of events; "-" is standard input. Raises FileRefused when it is missing, a folder, or not for us to read."""
    if str(path) == "-":
        return EventFile("standard input", sys.stdin.buffer.raw if isinstance(sys.stdin.buffer, io.BufferedReader) else sys.stdin.buffer, None)
    try:
        file = Path(path).open("rb", buffering=0)  # noqa: SIM115 - the EventFile closes it
    except FileNotFoundError:
        raise FileRefused("there is no such file", str(path), "check the path") from None
    except IsADirectoryError:
        raise FileRefused("this is a folder", str(path), "name the files in it, one after the other") from None
    except PermissionError:
        raise FileRefused("this file may not be read", str(path), "check who may read it") from None
    status = Path(path).stat()
    return EventFile(str(path), file, status.st_size if stat.S_ISREG(status.st_mode) else None)


class _Counted(io.RawIOBase):
    """A raw stream that counts what is read of it."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self.count = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._raw.seekable())

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._raw.seek(offset, whence))

    def readinto(self, buffer: Any) -> int | None:
        read = self._raw.readinto(buffer)
        self.count += read or 0
        return None if read is None else int(read)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _Zstd(io.RawIOBase):
    """The content of a Zstandard stream. The library's own reader ends without a word where a file was cut off; this one does not."""

    def __init__(self, name: str, packed: io.BufferedReader[Any]) -> None:
        try:
            import zstandard
        except ImportError:
            raise FileRefused("a Zstandard file needs the package zstandard", name, "pip install 'clickscore[zstd]'") from None
        self._new: Callable[[], Any] = zstandard.ZstdDecompressor().decompressobj
        self._error = zstandard.ZstdError
        self._name = name
        self._packed = packed
        self._frame: Any = None
        self._rest = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            packed = self._rest or self._packed.read(ZSTD_INPUT)
            if not packed:
                if self._frame is not None:
                    raise EOFError("it ends in the middle")
                return 0
            self._frame = self._frame or self._new()
            try:
                self._ready = memoryview(self._frame.decompress(packed))
            except self._error as error:
                raise zlib.error(str(error)) from None
            self._rest = self._frame.unused_data
            if self._frame.eof:
                self._frame = None
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count


def _lines(name: str, stream: io.BufferedReader[Any]) -> Iterator[bytes]:
    try:
        line = stream.readline(LONGEST_LINE).removeprefix(BOM)
        while line:
            content = line.rstrip(b"\r\n")
            if content:
                yield content
            while len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                line = stream.readline(LONGEST_LINE)  # the rest of an endless line goes by unseen
            line = stream.readline(LONGEST_LINE)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        cut = isinstance(error, EOFError)
        what = "the packed file is cut off: its end is missing" if cut else f"the packed file is damaged: {error}"
        raise FileRefused(what, name, "fetch or write the file again; the lines before this point were read") from None


# ---- Parquet


def _parquet_lines(name: str, stream: io.BufferedReader[Any], counted: _Counted) -> Iterator[bytes]:
    """Rows as JSON records of the fields that events have; other columns are not read."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise FileRefused("a Parquet file needs the package pyarrow", name, "pip install 'clickscore[parquet]'") from None
    if not counted.seekable():
        raise FileRefused("Parquet cannot be read from a pipe: its index is at the end", name, "name the file instead")
    try:
        file = pq.ParquetFile(stream)
        columns = [column for column in file.schema_arrow.names if column in FIELDS]
        missing = [field for field in REQUIRED if field not in columns]
        if missing:
            have = ", ".join(file.schema_arrow.names[:12])
            raise FileRefused(f"no column is called {' or '.join(map(repr, missing))}; there are: {have}", name, "rename the columns as an event's fields are")
        for batch in file.iter_batches(PARQUET_ROWS, columns=columns):
            yield from _rows(batch)
    except pa.ArrowException as error:
        raise FileRefused(f"the Parquet file cannot be read: {error}", name, "write the file again") from None


def _rows(batch: pa.RecordBatch) -> Iterator[bytes]:
    names = batch.schema.names
    columns = [_values(name, column) for name, column in zip(names, batch.columns, strict=True)]
    for row in zip(*columns, strict=True):
        yield orjson.dumps({name: value for name, value in zip(names, row, strict=True) if value is not None})


def _values(name: str, column: pa.Array) -> list[Any]:
    """A column as what JSON holds of it: times as epoch ms, identifiers as text, absent and NaN as None; infinities stay wrong, as text."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if pa.types.is_date(kind):
        column, kind = column.cast(pa.timestamp("ms")), pa.timestamp("ms")
    if pa.types.is_timestamp(kind):  # without a zone it is UTC
        return list(column.cast(pa.timestamp("ms", tz=kind.tz), safe=False).cast(pa.int64()).to_pylist())
    if pa.types.is_decimal(kind):
        column, kind = column.cast(pa.float64()), pa.float64()
    values: list[Any] = column.to_pylist()
    if pa.types.is_floating(kind):
        values = [value if value is None or abs(value) < float("inf") else None if value != value else str(value) for value in values]
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        values = [value if value is None else value.decode("utf-8", "replace") for value in values]
    if name in TEXT_LIMITS and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        # an identifier that was kept as a number, perhaps as 17.0 because some are absent
        values = [str(int(value)) if isinstance(value, float) and value.is_integer() else value if value is None else str(value) for value in values]
    if name == "timestamp" and pa.types.is_floating(kind):
        values = [int(value) if isinstance(value, float) and value.is_integer() else value for value in values]
    return values
