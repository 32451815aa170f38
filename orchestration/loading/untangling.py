"""CSV that the engine cannot read as it is: find its records line by line,
once the bulk count has shown that it must be."""

import csv
import re
from pathlib import Path

from orchestration.errors import UserError
from orchestration.loading.decoding import LONGEST_LINE, UNDECODABLE

# What is special of a record: it stands above the header; it has fewer fields than the header.
ABOVE, SHORT = "above", "short"


def untangle(source: Path, target: Path, file: str, delimiter: str, fields: int, above: int = 0) -> None:
    """Write the records of UTF-8 CSV `source` to `target`, all quoted: row number, reason why it is malformed, its
    line, what else is special of it, its fields. The header, after `above` records, is not written.

    A malformed record has no fields, a good one neither reason nor line; of a `short` one the fields that it has are
    written too, and a record `above` the header has none.

    A line with broken quoting or a wrong number of fields is malformed, the rest of the file is not. But a quote that
    takes following lines with it hides records: UserError, with the row in which it opened, as soon as it has taken
    more than a line may have, so that the rest of a large file isn't kept in memory."""
    mark = re.escape(delimiter)
    quoted, plain = r' *+"(?:[^"]|"")*+" *+', rf'(?! *+")[^{mark}]*+'
    field = re.compile(rf"({quoted}|{plain})(?:{mark}|\Z)", re.DOTALL)
    record = re.compile(rf"(?:{quoted}|{plain})(?:{mark}(?:{quoted}|{plain}))*+", re.DOTALL)
    complete = re.compile(rf"(?:(?:{quoted}|{plain}){mark})*+", re.DOTALL)
    opened = re.compile(rf'{complete.pattern} *+"(?:[^"]|"")*+', re.DOTALL)

    def split(text: str) -> list[str]:
        values: list[str] = []
        end = -1
        while end < len(text):
            found = field.match(text, end + 1)
            assert found  # of a whole record, every field is one
            inner, end = found[1].strip(" "), found.end(1)
            values.append(inner[1:-1].replace('""', '"') if inner.startswith('"') else found[1])
        return values

    def swallowed(row: int, line: int, text: str) -> UserError:
        return UserError(
            f"{file}, row {row} (line {line}): a quote opens here and takes the following lines with it:"
            f" {text[:60]!r}. Close it, or double it inside quotes, and deliver the file again;"
            " guessing where it ends could lose rows.",
            code="open_quote",
        )

    with source.open(encoding="utf-8", newline="") as lines, target.open("w", encoding="utf-8", newline="") as output:
        writer = csv.writer(output, quoting=csv.QUOTE_ALL, lineterminator="\n")
        row, began, held = -1 - above, 0, 0  # the header is row 0
        # of a record whose quote is still open: its lines, its values before that quote, and what stands since it
        pending: list[str] = []
        before: list[str] = []
        inside: list[str] = []

        def write(reason: str, text: str, values: list[str]) -> None:
            if row < 0:
                writer.writerow([row + above + 1, "", "", ABOVE, *([""] * fields)])
                return
            shown = "" if not reason else text.replace(UNDECODABLE, "")
            special = SHORT if reason and values else ""
            writer.writerow([row + above, reason, shown, special, *values, *([""] * (fields - len(values)))])

        def write_split(text: str, values: list[str]) -> None:
            if UNDECODABLE in text:
                write("undecodable bytes", text, [])
            elif len(values) != fields:
                write(f"{len(values)} fields instead of {fields}", text, values if len(values) < fields else [])
            else:
                write("", text, values)

        def closed(values: list[str]) -> list[str]:
            """All values of the record, when the first of these is the rest of what the quote opened."""
            if inside:
                before.append("".join(inside) + values[0])
                inside.clear()
                before.extend(values[1:])
            else:
                before[:] = values
            return before

        for number, line in enumerate(lines, 1):
            if not pending:
                if not line.strip():
                    continue
                row, began, held = row + 1, number, 0
                if '"' not in line and row:  # the common case, without regular expressions
                    text = line.rstrip("\r\n")
                    values = text.split(delimiter)
                    write_split(text, values)
                    continue
            continues = bool(pending)
            pending.append(line)
            held += len(line)
            if held > LONGEST_LINE:
                raise swallowed(row, began, pending[0])
            if continues and '"' not in line:
                inside.append(line)
                continue
            # the open quote stands for all lines before: looking at them again would take the square of the time
            text = ('"' if continues else "") + line.rstrip("\r\n")
            whole = record.fullmatch(text)
            if not whole and opened.fullmatch(text):
                found = complete.match(text)
                assert found  # it may be empty
                if end := found.end():
                    closed(split(text[: end - len(delimiter)]))
                elif not continues:
                    before.clear()
                text += line[len(line.rstrip("\r\n")) :]
                inside.append(text[end:].lstrip(" ")[1:].replace('""', '"'))
                continue
            if not whole and continues:
                raise swallowed(row, began, pending[0])
            values = closed(split(text)) if whole else []
            if whole and len(values) != fields and any(later.count(delimiter) == fields - 1 for later in pending[1:-1]):
                raise swallowed(row, began, pending[0])
            text = "".join(pending).rstrip("\r\n")
            pending = []
            if row == 0:
                continue
            if whole:
                write_split(text, values)
            else:
                write("undecodable bytes" if UNDECODABLE in text else "broken quoting", text, [])
        if len(pending) > 1:
            raise swallowed(row, began, pending[0])
        if pending:
            write("broken quoting", pending[0].rstrip("\r\n"), [])
