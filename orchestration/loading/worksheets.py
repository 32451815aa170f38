"""What a workbook would take, found before it is read: opening it makes room for all its texts, and reading a sheet for
every cell between the first and the last one, so that one stray cell in a far corner takes all memory."""

from __future__ import annotations

import posixpath
import re
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING
from xml.etree import ElementTree
from xml.parsers import expat
from zipfile import BadZipFile, ZipFile, ZipInfo

from orchestration.errors import UserError

if TYPE_CHECKING:
    from python_calamine import CalamineWorkbook

PROTECTED = b"\xd0\xcf\x11\xe0"  # OLE: an encrypted workbook, or one of the old format
# A full sheet (1,048,576 rows) of 19 columns.
MOST_CELLS = 20_000_000
# Of XML, unpacked: what that many cells take, and more.
MOST_BYTES = 2 << 30
# Texts that cells share, each of which takes some 56 bytes besides its own: half of the cells with one of their own.
MOST_TEXTS = 10_000_000
# Of XML, unpacked: the parts that are read whole when a workbook is opened, wherever they lie.
_READ_WHOLE = {
    "sharedstrings.xml": 1 << 30,
    "styles.xml": 32 << 20,
    "workbook.xml": 32 << 20,
    "workbook.xml.rels": 32 << 20,
}
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_BLOCK = 1 << 20
# The beginning of any cell, with its place where that comes first.
_CELL = re.compile(rb'<(?:[^\s<>/:]+:)?c(?:\s+r="([A-Z]{1,3})([0-9]{1,7})"|[\s/>])')
# The beginning of a text that cells share.
_TEXT = re.compile(rb"<(?:[^\s<>/:]+:)?si[\s/>]")
_DAMAGED = (BadZipFile, ElementTree.ParseError, expat.ExpatError, zlib.error, EOFError, ValueError, RuntimeError)


def open_workbook(path: Path, file: str) -> CalamineWorkbook:
    """A workbook of which opening takes no more memory than any real one. Raises UserError."""
    from python_calamine import CalamineError, CalamineWorkbook

    with path.open("rb") as stream:
        head = stream.read(len(PROTECTED))
    if not head:
        raise UserError(f"{file} is empty. Export it again or remove it.", code="empty_file")
    if head == PROTECTED:
        raise UserError(
            f"{file} is protected by a password, or is an old .xls. Save it as .xlsx without a password.",
            code="protected_file",
        )
    try:
        with ZipFile(path) as archive:
            for info in archive.infolist():
                _refuse_large(archive, info, file)
        return CalamineWorkbook.from_path(str(path))
    except (CalamineError, *_DAMAGED) as error:
        raise UserError(
            f"{file} is not a valid workbook ({error}). Save it as .xlsx again.", code="damaged_file"
        ) from None


def _refuse_large(archive: ZipFile, info: ZipInfo, file: str) -> None:
    """Raise UserError if a part of a workbook is larger than any real one."""
    most = _READ_WHOLE.get(re.split(r"[/\\]", info.filename.lower())[-1])
    size, texts, rest = info.file_size, 0, b""
    if most and size <= MOST_BYTES:
        size = 0
        with _opened(archive, info) as stream:
            while size <= most and texts <= MOST_TEXTS and (block := stream.read(_BLOCK)):
                size += len(block)
                block = rest + block
                cut = block.rfind(b"<", -64)  # what may be the beginning of one that the next block ends
                rest = block[cut:] if cut >= 0 else b""
                end = len(block) - len(rest)
                # counting is many times faster than searching, which only a prefix of names takes
                texts += len(_TEXT.findall(block, 0, end)) if b":si" in block else block.count(b"<si", 0, end)
    if texts > MOST_TEXTS:
        raise UserError(
            f"{file} holds more than {MOST_TEXTS:,} different texts, which is more than can be read. Export it as CSV.",
            code="too_large",
        )
    if size > (most or MOST_BYTES):
        raise UserError(f"{file} is too large for a workbook once it is unpacked. Export it as CSV.", code="too_large")


def _opened(archive: ZipFile, info: ZipInfo) -> IO[bytes]:
    """A part of the archive up to where it ends. A size that is stated too small ends it for Python, not for others."""
    info.file_size = MOST_BYTES + 1
    return archive.open(info)


def refuse_vast(path: Path, file: str, sheet: str) -> None:
    """Raise UserError if reading the sheet of a workbook would take more room than any real one."""
    try:
        with ZipFile(path) as archive:
            members = {info.filename.lower(): info for info in archive.infolist()}
            member = _members(archive, members).get(sheet)
            if member not in members:  # reading it will say what is wrong
                return
            with _opened(archive, members[member]) as stream:
                if _is_plainly_small(stream):
                    return
            with _opened(archive, members[member]) as stream:
                extent = _Extent()
                while block := stream.read(_BLOCK):
                    extent.feed(block)
    except _DAMAGED:
        raise UserError(f"{file} is not a valid workbook. Save it as .xlsx again.", code="damaged_file") from None
    if extent.area > MOST_CELLS:
        raise UserError(
            f"{file}, sheet '{sheet}': its cells reach from {extent.first} to {extent.last}, which is room for"
            f" {extent.area:,} cells; at most {MOST_CELLS:,} can be read. Delete the stray cells at its end (in a"
            " spreadsheet: whole rows and columns), or export it as CSV.",
            code="too_large",
        )


def _members(archive: ZipFile, members: dict) -> dict[str, str]:
    """The part of the archive, in lower case, that holds each sheet."""

    def parsed(name: str) -> ElementTree.Element | None:
        return ElementTree.fromstring(archive.read(members[name])) if name in members else None

    workbook, relations = parsed("xl/workbook.xml"), parsed("xl/_rels/workbook.xml.rels")
    if workbook is None or relations is None:
        return {}
    targets = {relation.get("Id"): relation.get("Target", "") for relation in relations}
    return {
        sheet.get("name", ""): posixpath.join("xl", targets.get(sheet.get(_RELATION), "")).lstrip("/").lower()
        for sheet in workbook.iter()
        if sheet.tag.endswith("}sheet")
    }


def _is_plainly_small(stream: IO[bytes]) -> bool:
    """Whether the places of all cells, with a value or without, are near each other: what almost every sheet says in
    a form that can be searched for, several times faster than it can be parsed."""
    rows: set[bytes] = set()
    columns: set[bytes] = set()
    rest = b""
    while block := stream.read(_BLOCK):
        block = rest + block
        end = block.rfind(b">") + 1
        rest = block[end:]
        places = _CELL.findall(block, 0, end)
        if (b"", b"") in places:  # a cell that is written in another way
            return False
        columns.update(column for column, _ in places)
        rows.update(row for _, row in places)
    if b"<" in rest or not rows:
        return False
    height = int(max(rows, key=int)) - int(min(rows, key=int)) + 1
    width = max(map(_number, columns)) - min(map(_number, columns)) + 1
    return height * width <= MOST_CELLS


class _Extent:
    """The first and the last row and column with a value among the cells of a sheet's XML."""

    def __init__(self) -> None:
        self.rows: tuple[int, int] | None = None
        self.columns: tuple[int, int] | None = None
        self._row = self._column = 0
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartElementHandler = self._start
        self.feed = self._parser.Parse

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(" ")[2]
        if name == "c":
            self._column += 1
            if place := attributes.get("r"):
                self._place(place)
        elif name == "row":
            self._row, self._column = int(attributes.get("r", self._row + 1)), 0
        elif name in ("v", "is"):  # a cell that has only a format takes no room
            self.rows = _widened(self.rows, self._row)
            self.columns = _widened(self.columns, self._column)

    def _place(self, place: str) -> None:
        letters = place.rstrip("0123456789")
        self._row = int(place[len(letters) :] or self._row)
        if letters:
            self._column = _number(letters.upper().encode())

    @property
    def area(self) -> int:
        if self.rows is None or self.columns is None:
            return 0
        return (self.rows[1] - self.rows[0] + 1) * (self.columns[1] - self.columns[0] + 1)

    @property
    def first(self) -> str:
        assert self.rows and self.columns
        return _name(self.rows[0], self.columns[0])

    @property
    def last(self) -> str:
        assert self.rows and self.columns
        return _name(self.rows[1], self.columns[1])


def _number(letters: bytes) -> int:
    """The number of a column, from 1."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _widened(span: tuple[int, int] | None, place: int) -> tuple[int, int]:
    return (place, place) if span is None else (min(span[0], place), max(span[1], place))


def _name(row: int, column: int) -> str:
    letters = ""
    while column:
        column, letter = divmod(column - 1, 26)
        letters = chr(65 + letter) + letters
    return f"{letters}{row}"
