"""From a text file as delivered, compressed and in any encoding, to UTF-8 that the engine reads in bulk.

One pass over the bytes of a file verifies its compression to the end, decodes it, and counts records and delimiters
outside quotes block by block: an account of the file that does not depend on the engine's CSV reader.
"""

import codecs
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import zstandard

from orchestration.contract.mapping import DELIMITERS
from orchestration.errors import UserError
from orchestration.loading.discovery import Delivery

BLOCK = 1 << 20
PIECE = 256  # compressed bytes, of which gzip makes 256 KiB at most, zstd 8 MiB
LONGEST_LINE = 1 << 26  # bytes: Python's CSV reader takes a whole line at once
# Stands before each byte that could not be decoded (which follows as \xNN). A noncharacter: no text holds it.
UNDECODABLE = "\uffff"
CANDIDATES = ("windows-1251", "windows-1252", "latin-1")
BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
SIGNATURES = {
    b"PK\x03\x04": "an .xlsx workbook or a zip archive",
    b"\xd0\xcf\x11\xe0": "an old .xls or a password-protected workbook",
    b"\x1f\x8b": "gzip (name it .gz)",
    b"\x28\xb5\x2f\xfd": "zstd (name it .zst)",
    b"PAR1": "Parquet (name it .parquet)",
    b"%PDF": "a PDF",
}
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\v\f\r")


def _escape(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)  # the handler is for reading only
    escaped = "".join(f"\\x{byte:02x}" for byte in error.object[error.start : error.end])
    return UNDECODABLE + escaped, error.end


codecs.register_error("churn-escape", _escape)


@dataclass
class RecordCount:
    """Records, delimiters and other features of UTF-8 text outside quotes, counted block by block."""

    records: int = 0
    delimiters: dict[str, int] = field(default_factory=lambda: dict.fromkeys(DELIMITERS.values(), 0))
    quoted_breaks: bool = False  # a line break inside quotes
    irregular: bool = False  # what the engine and this count may see differently: stray returns, a blank first line
    inside: bool = False  # within quotes
    # Of the line that is not over yet. It is not kept, because a file may be one line.
    _begun: bool = False
    _blank: bool = True
    _return: bytes = b""  # a return at its end, which belongs to a line break that may follow

    def feed(self, block: bytes) -> None:
        block = self._return + block
        end = len(block) - block.endswith(b"\r")
        self._return = block[end:]
        if end:
            self._count(block[:end])

    def close(self) -> None:
        if not self._blank:
            self._count(self._return + b"\n")
        self._return = b""

    def _count(self, lines: bytes) -> None:
        breaks = lines.count(b"\n")
        starts_inside, starts_line = self.inside, not self._begun
        self._begun = not lines.endswith(b"\n")
        self._blank = not lines[lines.rfind(b"\n") + 1 :].strip() and (self._blank or breaks > 0)
        if b'"' in lines:
            pieces = lines.split(b'"')
            outside = b'"'.join(pieces[starts_inside::2])
            self.inside = starts_inside != (len(pieces) % 2 == 0)
        else:
            outside = b"" if starts_inside else lines
        ends = outside.count(b"\n")
        self.quoted_breaks |= ends != breaks
        blank = len(re.findall(rb"\n(?=\r?\n)", outside)) if b"\n\n" in outside or b"\n\r\n" in outside else 0
        starts_blank = starts_line and not starts_inside and lines.startswith((b"\n", b"\r\n"))
        blank += starts_blank
        returns = outside.count(b"\r")
        if (self.records == 0 and starts_blank) or (returns and returns != outside.count(b"\r\n")):
            self.irregular = True
        self.records += ends - blank
        for delimiter in self.delimiters:
            self.delimiters[delimiter] += outside.count(delimiter.encode())


@dataclass(frozen=True)
class PlainText:
    """UTF-8 text: the delivered file itself, or a recoded copy in the scratch folder."""

    path: Path
    undecodable: bool  # some bytes stand escaped behind UNDECODABLE
    count: RecordCount  # of JSON, which has no records outside quotes, of nothing


def plain_text(delivery: Delivery, encoding: str | None, scratch: Path) -> PlainText:
    """Decode and verify a delivered text file. Undeclared: by its byte order mark, else strictly UTF-8.

    Raises UserError when it is empty, cut off, binary, or undecodable with nothing declared."""
    blocks = _decompressed(delivery)
    first = b""
    while len(first) < 4 and (block := next(blocks, None)):
        first += block
    if not first.strip():
        raise UserError(
            f"{delivery.file} is empty. Export it again or remove it; a table without rows still has a header line.",
            code="empty_file",
        )
    for signature, kind in SIGNATURES.items():
        if first.startswith(signature):
            raise UserError(
                f"{delivery.file} isn't a text file; it looks like {kind}. Export it as text,"
                " or give it its right name.",
                code="wrong_format",
            )

    name = codecs.lookup(encoding or "utf-8").name
    marked_by = next((mark for mark in BYTE_ORDER_MARKS if first.startswith(mark)), b"")
    if marked_by and (encoding is None or name in ("utf-8", "utf-8-sig", "utf-16", BYTE_ORDER_MARKS[marked_by])):
        name, first = BYTE_ORDER_MARKS[marked_by], first[len(marked_by) :]
    decoder = codecs.getincrementaldecoder(name)("churn-escape" if encoding else "strict")
    in_place = name == "utf-8" and not encoding and not marked_by and len(delivery.suffixes) == 1
    path = delivery.path if in_place else scratch / f"{delivery.content_hash}.{name}.txt"

    count, undecodable, lines, unbroken = RecordCount(), False, 1, 0
    with nullcontext() if in_place else path.open("wb") as output:
        for block in chain([first], blocks, [None]):
            try:
                text = decoder.decode(block or b"", block is None)
                recoded = block or b"" if in_place else text.encode()  # some codecs give halves of characters
            except UnicodeDecodeError as error:
                _refuse_binary(delivery, error.object)
                raise _undecodable(delivery, encoding, error, lines) from None
            except UnicodeError as error:
                raise UserError(
                    f"{delivery.file} cannot be read as {encoding} ({error}). Declare the encoding that it has, without"
                    " a byte order mark utf-16-le, utf-16-be, utf-32-le or utf-32-be (encoding: under"
                    f" {delivery.table} in extracts.yml).",
                    code="encoding",
                ) from None
            undecodable |= UNDECODABLE in text
            _refuse_binary(delivery, recoded)
            if delivery.format != "json":
                unbroken = 0 if b"\n" in recoded or b"\r" in recoded else unbroken + len(recoded)
                if unbroken > LONGEST_LINE:
                    raise UserError(
                        f"{delivery.file}, line {lines}: longer than {LONGEST_LINE:,} bytes, so it cannot be read."
                        " Is it a CSV file? Export it again, with a line break after each record.",
                        code="too_large",
                    )
                count.feed(recoded)
            lines += text.count("\n")
            if output:
                output.write(recoded)
    count.close()
    return PlainText(path, undecodable, count)


def _refuse_binary(delivery: Delivery, text: bytes) -> None:
    """`text` is UTF-8, or what should have been."""
    head = text[:10_000]
    if b"\0" in text or (len(head) - len(head.translate(None, _CONTROLS))) * 20 > len(head):
        raise UserError(
            f"{delivery.file} holds binary data, not text. Export it again; if it is UTF-16 without a byte order mark,"
            f" declare encoding: utf-16-le (or utf-16-be) under {delivery.table} in extracts.yml.",
            code="binary_data",
        )


def _undecodable(delivery: Delivery, encoding: str | None, error: UnicodeDecodeError, lines: int) -> UserError:
    data, at = error.object, error.start
    line = data[data.rfind(b"\n", 0, at) + 1 :].split(b"\n")[0]
    offset = max(at - data.rfind(b"\n", 0, at) - 30, 0)
    samples = "; ".join(
        f"{name}: {line[offset : offset + 60].decode(name, 'replace').strip()!r}" for name in CANDIDATES
    )
    return UserError(
        f"{delivery.file}, line {lines + data.count(10, 0, at)}: this is not UTF-8, and no encoding is declared."
        f" Declare the one in which it reads well (encoding: under {delivery.table} in extracts.yml): {samples}.",
        code="encoding",
    )


def _decompressed(delivery: Delivery) -> Iterator[bytes]:
    """The file's bytes without compression in blocks of bounded size, verified to the end."""
    kinds: dict[str, Callable[[], Any]] = {
        ".gz": partial(zlib.decompressobj, 31),
        ".zst": zstandard.ZstdDecompressor().decompressobj,
    }
    new = kinds.get(delivery.suffixes[-1])
    with delivery.path.open("rb") as stream:
        if new is None:
            while block := stream.read(BLOCK):
                yield block
            return
        member = None  # a file may hold several, one after the other
        padded = False  # with zeros, as on a tape: nothing follows them
        plain = bytearray()
        try:
            while piece := stream.read(PIECE):
                while piece:
                    if member is None:
                        if not piece.strip(b"\0"):
                            padded = True
                            break
                        member = new()
                    plain += member.decompress(b"\0" * padded + piece)
                    piece = member.unused_data if member.eof else b""
                    member = None if member.eof else member
                while len(plain) >= BLOCK:
                    yield bytes(plain[:BLOCK])
                    del plain[:BLOCK]
        except (zlib.error, zstandard.ZstdError) as error:
            raise UserError(
                f"{delivery.file} is damaged: it cannot be decompressed ({error}). Export it again.",
                code="damaged_file",
            ) from None
        if member is not None:
            raise UserError(
                f"{delivery.file} is cut off: its compressed data ends too early. Export it again, whole.",
                code="damaged_file",
            )
        if plain:
            yield bytes(plain)
