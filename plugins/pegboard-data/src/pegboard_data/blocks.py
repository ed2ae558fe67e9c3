"""The content of a text file, plain or in gzip, piece by piece; a file that can't be decoded says where."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from pegboard import DataError

LONGEST = 64 * 2**20
"""Bytes of the longest row, and of the longest file that is one text; a longer one is refused, so that memory is
bounded whatever is in a file."""

_READ_BYTES = 2**20
_LINES_BYTES = 2**16
_MARK = b"\xef\xbb\xbf"
_SIGNATURES = {
    b"\x1f\x8b": "it is a gzip file: let its name end in .gz",
    b"PK\x03\x04": "it is a zip or a spreadsheet: unpack it, or save it as CSV",
    b"PAR1": "it is a Parquet file: let its name end in .parquet",
    b"\xff\xfe": "it begins as UTF-16 does: --set dataset.encoding=utf-16",
    b"\xfe\xff": "it begins as UTF-16 does: --set dataset.encoding=utf-16",
}


class Blocks:
    r"""A text file as UTF-8 bytes, without a byte order mark at its beginning.

    Bytes of a file that is in UTF-8 are not checked by `peek`, those in another encoding are when they are read.

    Args:
        path: the file; it is unpacked if its name ends in .gz.
        encoding: Python's name for its encoding.

    Attributes:
        path: the file.
        size: how many bytes it has, packed or not.
        encoding: its encoding.
        offset: how many bytes of the UTF-8 text were passed.
        line: the number of the line that comes next.
        at_end: whether the last `peek` gave all that was left.

    Raises:
        DataError: by every method: the file can't be read or unpacked, or is not in this encoding.

    Example:
        >>> with Blocks(Path("data.csv"), "utf-8") as blocks:
        ...     blocks.peek(10)
        b'text,label'
    """

    def __init__(self, path: Path, encoding: str) -> None:
        self.path = path
        self.offset = 0
        self.line = 1
        self.at_end = False
        self.encoding = encoding
        self._plain = codecs.lookup(encoding).name == "utf-8"
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._data = b""
        self._start = 0
        self._is_read = False
        self._error: DataError | None = None
        self._left_at_error = 0
        try:
            self._file = _open(path)
            self.size = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise _not_read(path, error) from None
        if self.peek(len(_MARK)) == _MARK:
            self._start = len(_MARK)

    def __enter__(self) -> Blocks:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, or all that are left; they stay the next ones until they are skipped.

        Where the file can't be read any further it gives the bytes before once, so that a row that is wrong there is
        found first, and then raises the error.
        """
        left = len(self._data) - self._start
        if size > left and not self._is_read:
            if self._error is not None and left in (0, self._left_at_error):
                raise self._error
            if self._error is None:
                self._fill(size, left)
            self._left_at_error = len(self._data) - self._start
        self.at_end = self._is_read and len(self._data) - self._start <= size
        return self._data[self._start : self._start + size]

    def _fill(self, size: int, left: int) -> None:
        """Have at least `size` bytes, of which `left` are there, or all that can be read."""
        if self._plain and isinstance(self._file, io.BufferedReader):
            self._file.seek(-left, io.SEEK_CUR)  # reading a few bytes again is less work than to join them
            self._data = b""
            left = self._start = 0
        pieces = list(self._read(size - left))
        self._data = pieces[0] if not left and len(pieces) == 1 else b"".join((self._data[self._start :], *pieces))
        self._start = 0
        if self._error is not None and not self._data:
            raise self._error

    def skip(self, size: int, lines: int) -> None:
        """Pass `size` bytes, of those that `peek` gave, in which `lines` lines end."""
        self._start += size
        self.offset += size
        self.line += lines

    def go_back(self, data: bytes, line: int) -> None:
        """Have `data`, which was passed last, come next again, beginning with the line of that number."""
        self._data = data + self._data[self._start :]
        self._start = 0
        self.offset -= len(data)
        self.line = line

    def go_to(self, offset: int, line: int) -> None:
        """Pass all bytes before `offset`, where the line of that number begins."""
        while self.offset < offset and (piece := self.peek(min(_READ_BYTES, offset - self.offset))):
            self.skip(len(piece), 0)
        self.line = line

    def lines(self) -> Iterator[str]:
        r"""The next lines with the line ends they have: `\n`, `\r\n` or `\r`. Each is passed when it is given.

        Raises:
            DataError: a line is longer than `LONGEST`, or holds a NUL.
        """
        size = _LINES_BYTES
        while data := self.peek(size):
            pieces = data.splitlines(keepends=True)
            if not self.at_end and not pieces[-1].endswith(b"\n"):
                pieces.pop()  # it may go on; after \r too, a \n may come
            size = _LINES_BYTES if pieces else 2 * size
            if size > 2 * LONGEST:
                raise too_long("line", f"{self.path}, line {self.line}")
            for piece, text in zip(pieces, self._texts(pieces), strict=True):
                self._start += len(piece)
                self.offset += len(piece)
                self.line += 1
                yield text

    def _texts(self, lines: list[bytes]) -> Iterable[str]:
        """Lines decoded, all at once if nothing is wrong with any of them."""
        data = b"".join(lines)
        if b"\0" not in data:
            with suppress(UnicodeError):
                return io.StringIO(data.decode(), newline="")
        return map(self._text, lines)

    def _text(self, line: bytes) -> str:
        try:
            text = line.decode("utf-8", "strict" if self._plain else "surrogatepass")
        except UnicodeError as error:
            raise _not_decoded(self.path, self.encoding, error) from None
        if "\0" in text:
            raise self._nul()
        return text

    def _read(self, size: int) -> Iterator[bytes]:
        """At least `size` bytes of UTF-8, or all that are left, or those before an error, which is kept."""
        # Of a gzip file, read() would lose what it unpacked before an error.
        read = self._file.read1 if isinstance(self._file, gzip.GzipFile) else self._file.read
        try:
            while size > 0 and not self._is_read and self._error is None:
                data = read(size)
                self._is_read = not data
                data = data if self._plain else self._decoded(data)
                yield data
                size -= len(data)
        except (OSError, EOFError, zlib.error) as error:
            self._error = _not_read(self.path, error)

    def _decoded(self, data: bytes) -> bytes:
        """More of the file as UTF-8, up to where it can't be decoded."""
        before = self._decoder.getstate()
        try:
            text = self._decoder.decode(data, final=not data)
        except UnicodeError as error:
            self._error = _not_decoded(self.path, self.encoding, error)
            if not isinstance(error, UnicodeDecodeError):
                return b""
            self._decoder.setstate(before)
            sound = error.start - (len(error.object) - len(data))
            text = self._decoder.decode(data[: max(sound, 0)])
        # An encoding such as unicode_escape has halves of surrogate pairs, which are refused by row.
        return text.encode("utf-8", "surrogatepass")

    def _nul(self) -> DataError:
        with _open(self.path) as file:
            start = file.read(4)
        return DataError(
            "the line holds a NUL character",
            where=f"{self.path}, line {self.line}",
            hint=_by_signature(start) or "it is no text file, or is in UTF-16: --set dataset.encoding=utf-16",
        )


def text_of(path: Path, encoding: str) -> str:
    """The whole text of a file, without a byte order mark.

    Raises:
        DataError: the file can't be read or unpacked, is longer than `LONGEST`, or is not in this encoding.
    """
    try:
        with _open(path) as file:
            data = file.read(LONGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _not_read(path, error) from None
    if len(data) > LONGEST:
        raise too_long("text", str(path))
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeError as error:
        raise _not_decoded(path, encoding, error) from None


def too_long(what: str, where: str) -> DataError:
    """The error for a line, row or text beyond `LONGEST`."""
    return DataError(
        f"the {what} is longer than {LONGEST // 2**20} MB",
        where=where,
        hint="is this the right file? a text of such a length must be cut",
    )


def _open(path: Path) -> gzip.GzipFile | io.BufferedReader:
    if path.name.lower().endswith(".gz"):
        return gzip.open(path, "rb")
    return path.open("rb")


def _not_decoded(path: Path, encoding: str, error: UnicodeError) -> DataError:
    """The error for bytes that are not in the encoding; reads the file again to count bytes and lines."""
    where = str(path)
    what = f"is not {encoding} text: {error}"
    try:
        with _open(path) as file:
            start = file.read(4)
            file.seek(0)
            found = _first_undecodable(file, encoding)
    except (OSError, EOFError, zlib.error) as damage:
        return _not_read(path, damage)
    if found is not None:
        position, byte, line = found
        where = f"{path}, line {line}"
        what = f"byte {position} (0x{byte:02x}) is not {encoding} text"
    if "BOM" in str(error):
        hint = f"say in which order its bytes are: --set dataset.encoding={encoding}-le, or {encoding}-be"
        return DataError(what, where=where, hint=hint)
    other = "latin-1" if codecs.lookup(encoding).name == "utf-8" else "utf-8"
    hint = _by_signature(start) or f"if you know its encoding, name it: --set dataset.encoding={other}"
    return DataError(what, where=where, hint=hint)


def _first_undecodable(file: gzip.GzipFile | io.BufferedReader, encoding: str) -> tuple[int, int, int] | None:
    """The first byte that can't be decoded: its position, its value, its line."""
    decoder = codecs.getincrementaldecoder(encoding)()
    position, line, after_return = 0, 1, False
    while True:
        data = file.read(_READ_BYTES)
        before = decoder.getstate()
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            start = error.start - (len(error.object) - len(data))  # the decoder had kept bytes of the data before
            decoder.setstate(before)
            text = decoder.decode(data[: max(start, 0)])
            return position + start, error.object[error.start], line + _line_ends(text, after_return)
        except UnicodeError:
            return None
        if not data:
            return None
        position += len(data)
        line += _line_ends(text, after_return)
        after_return = text.endswith("\r") if text else after_return


def _line_ends(text: str, after_return: bool) -> int:
    """How many lines end in a text, of which the last character before it may have been a carriage return."""
    split = after_return and text.startswith("\n")
    return text.count("\n") + text.count("\r") - text.count("\r\n") - split


def _not_read(path: Path, error: Exception) -> DataError:
    if path.name.lower().endswith(".gz") and (isinstance(error, (EOFError, gzip.BadGzipFile, zlib.error))):
        cause = "is cut off" if isinstance(error, EOFError) else "is damaged or is no gzip file"
        return DataError(f"the gzip file {cause}: {error}", where=str(path), hint="fetch or pack it again")
    return DataError(f"can't be read: {getattr(error, 'strerror', None) or error}", where=str(path))


def _by_signature(start: bytes) -> str | None:
    return next((hint for signature, hint in _SIGNATURES.items() if start.startswith(signature)), None)
