"""The lines of a text file, plain or in gzip, decoded exactly; a file that can't be decoded says where."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from pegboard import DataError

_LINE_END = re.compile("\r\n|\r|\n")
_SIGNATURES = {
    b"\x1f\x8b": "it is a gzip file: let its name end in .gz",
    b"PK\x03\x04": "it is a zip or a spreadsheet: unpack it, or save it as CSV",
    b"PAR1": "it is a Parquet file: let its name end in .parquet",
    b"\xff\xfe": "it begins as UTF-16 does: --set dataset.encoding=utf-16",
    b"\xfe\xff": "it begins as UTF-16 does: --set dataset.encoding=utf-16",
}


def lines_of(path: Path, encoding: str) -> Iterator[str]:
    r"""The lines of a file with the line ends they have: `\n`, `\r\n` or `\r`.

    A byte order mark at the beginning is left out.

    Raises:
        DataError: the file can't be read or unpacked, is not in this encoding, or holds a NUL.
    """
    number = 0
    try:
        with _open(path) as binary, io.TextIOWrapper(binary, encoding, newline="") as file:
            for number, line in enumerate(file, start=1):
                if "\0" in line:
                    raise _nul(path, number)
                yield line.removeprefix("\ufeff") if number == 1 else line
    except UnicodeError as error:
        raise _not_decoded(path, encoding, error) from None
    except (OSError, EOFError, zlib.error) as error:
        raise _not_read(path, error) from None


def text_of(path: Path, encoding: str) -> str:
    """The whole text of a file, without a byte order mark.

    Raises:
        DataError: the file can't be read or unpacked, or is not in this encoding.
    """
    try:
        with _open(path) as file:
            return file.read().decode(encoding).removeprefix("\ufeff")
    except UnicodeError as error:
        raise _not_decoded(path, encoding, error) from None
    except (OSError, EOFError, zlib.error) as error:
        raise _not_read(path, error) from None


def _open(path: Path) -> gzip.GzipFile | io.BufferedReader:
    if path.name.lower().endswith(".gz"):
        return gzip.open(path, "rb")
    return path.open("rb")


def _nul(path: Path, line: int) -> DataError:
    with _open(path) as file:
        start = file.read(4)
    return DataError(
        "the line holds a NUL character",
        where=f"{path}, line {line}",
        hint=_by_signature(start) or "it is no text file, or is in UTF-16: --set dataset.encoding=utf-16",
    )


def _not_decoded(path: Path, encoding: str, error: UnicodeError) -> DataError:
    """The error for bytes that are not in the encoding; reads the file again to count bytes and lines."""
    try:
        with _open(path) as file:
            data = file.read()
    except (OSError, EOFError, zlib.error) as damage:
        return _not_read(path, damage)
    where = str(path)
    what = f"is not {encoding} text: {error}"
    try:
        data.decode(encoding)
    except UnicodeDecodeError as exact:
        line = len(_LINE_END.findall(data[: exact.start].decode(encoding, "ignore"))) + 1
        where = f"{path}, line {line}"
        what = f"byte {exact.start} (0x{data[exact.start]:02x}) is not {encoding} text"
    except UnicodeError:
        pass
    other = "latin-1" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else "utf-8"
    hint = _by_signature(data[:4]) or f"if you know its encoding, name it: --set dataset.encoding={other}"
    return DataError(what, where=where, hint=hint)


def _not_read(path: Path, error: Exception) -> DataError:
    if path.name.lower().endswith(".gz") and (isinstance(error, (EOFError, gzip.BadGzipFile, zlib.error))):
        cause = "is cut off" if isinstance(error, EOFError) else "is damaged or is no gzip file"
        return DataError(f"the gzip file {cause}: {error}", where=str(path), hint="fetch or pack it again")
    return DataError(f"can't be read: {getattr(error, 'strerror', None) or error}", where=str(path))


def _by_signature(start: bytes) -> str | None:
    return next((hint for signature, hint in _SIGNATURES.items() if start.startswith(signature)), None)
