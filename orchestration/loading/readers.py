"""Readers of each format: they bring files into the engine in bulk and leave a Stage, from which SQL can take every
source column as text."""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, time
from itertools import groupby, islice
from pathlib import Path

import duckdb

from orchestration.contract.mapping import DELIMITERS, SourceRule, Unpivot
from orchestration.contract.names import closest, nearest
from orchestration.contract.patterns import full_matches
from orchestration.contract.placed_yaml import Text
from orchestration.errors import Problem, UserError
from orchestration.loading.decoding import UNDECODABLE, PlainText, plain_text
from orchestration.loading.discovery import Delivery
from orchestration.loading.readings import trimmed
from orchestration.loading.untangling import ABOVE, SHORT, untangle
from orchestration.loading.worksheets import open_workbook, refuse_vast
from orchestration.warehouse.quoting import identifier, quote

# Stands before a cell that the workbook holds as a number, date or truth value, not as text. A noncharacter.
NATIVE = "\ufffe"
# Said of the copies made here, because a line break inside the first record would be taken for the file's.
NEW_LINE = r", new_line = '\n'"


@dataclass(frozen=True)
class Source:
    """A source column in SQL: its text, and whether the file holds it as a number or date rather than as text."""

    text: str
    native: str = "false"


@dataclass
class Stage:
    """Files of one table that SQL can read now. `relation` has file_no (position in `deliveries`), row_number (from 1),
    malformed (reason, else null), line (text of a malformed line), is_above (a record above the header, which is no row
    of the table), is_short (malformed only by fields that are missing at its end; those that it has can be asked) and
    whatever `source` and `raw_row` refer to. `document` numbers the records that were exploded, where there are
    such, `is_of_element` says whether a source column is of their elements, and `parquet` is the file as SQL calls it
    where that is one. `lists` are the paths of arrays: the one that is exploded, or, in a file without it, all that it
    has."""

    relation: str
    deliveries: list[Delivery]
    columns: list[set[str]]  # of each file
    named: set[str]  # columns as the files list them, without paths into them
    source: Callable[[str], Source]
    raw_row: str
    document: str | None = None
    is_of_element: Callable[[str], bool] = lambda name: False
    parquet: str | None = None
    lists: Set[str] = frozenset()


def missing_columns(rule: SourceRule, columns: set[str]) -> list[str]:
    """What a file with these columns lacks to be read as the table, in words: where the mapping names it,
    with its place and the column that may be meant."""
    if rule.unpivot and full_matches(rule.unpivot.columns, columns):
        columns = columns | {rule.unpivot.name, rule.unpivot.value}

    def named(source: Text, use: str) -> str:
        meant = closest(source, columns)
        hint = f"; the nearest valid name is '{meant}'" if meant else ""
        return f"'{source}' ({use}, {source.place}{hint})"

    def lacks(name: str) -> list[str]:
        mapped = rule.columns.get(name)
        if mapped is None:
            return [] if name in columns and rule.falls_back(name) else [f"'{name}'"]
        if mapped.first_of and columns.intersection(mapped.first_of):
            return []
        return [named(source, name) for source in mapped.read_from if source not in columns]

    lacking = [text for column in rule.table.columns if rule.required(column) for text in lacks(column)]
    lacking += [
        named(name, "where")
        for name, kept in rule.where.items()
        # what a preset leaves out of columns that its vendor may have dropped
        if name not in columns and not (name.shipped and kept.values is None and not kept.present)
    ]
    lacking += [named(name, "fill_down") for name in rule.fill_down if name not in columns]
    if rule.unpivot and rule.unpivot.name not in columns:
        lacking.append(f"a column that matches '{rule.unpivot.columns}' (unpivot)")
    if rule.table.one_of and all(any(map(lacks, group)) for group in rule.table.one_of):
        lacking += [
            text for group in rule.table.one_of for name in group if name in rule.columns for text in lacks(name)
        ]
        lacking.append(" or ".join(" and ".join(group) for group in rule.table.one_of))
    return lacking


def lacking_columns(
    delivery: Delivery, rule: SourceRule, columns: Iterable[str], lacking: list[str], hint: str = ""
) -> UserError:
    shown = ", ".join(list(map(str, columns))[:40]) or "none"
    return UserError(
        f"{delivery.file}: required columns of {rule.table.name} are missing: {', '.join(lacking)}."
        f" The file's columns are: {shown}.{hint} Map them under columns: in extracts.yml, or deliver them.",
        code="missing_columns",
        file=delivery.file,
    )


def unreadable_parquet(deliveries: list[Delivery], error: duckdb.Error) -> UserError:
    """What a damaged file makes of an error of the engine, which may be of any kind. Raises the error itself where the
    machine is at fault."""
    names = ", ".join(delivery.file for delivery in deliveries)
    of_a_file = any(delivery.path.suffix in str(error) for delivery in deliveries)  # it may be read through a link
    if isinstance(error, duckdb.OutOfMemoryException) or (isinstance(error, duckdb.IOException) and not of_a_file):
        raise error
    return UserError(
        f"{names} is not a valid Parquet file ({_first_line(error)[:200]}). Export it again.",
        code="damaged_file",
        file=names,
    )


class Readers:
    """Reads files into temporary tables of `con`; copies lie in the folder `scratch`. The methods raise UserError."""

    def __init__(self, con: duckdb.DuckDBPyConnection, scratch: Path) -> None:
        self.con, self.scratch = con, scratch
        self.tables = 0
        self.notes: list[str] = []  # what a person should see of how files were read
        self.warnings: list[str] = []
        self.skipped: set[Delivery] = set()  # sheets of a pattern that hold something else

    def stages(self, rule: SourceRule, deliveries: list[Delivery], problems: list[Problem]) -> list[Stage]:
        """All files of a table; what is wrong with a file goes to `problems`."""
        read = {"csv": self._csv, "json": self._json, "parquet": self._parquet, "xlsx": self._xlsx}
        stages = []
        for format, group in groupby(
            sorted(deliveries, key=lambda delivery: delivery.format), lambda delivery: delivery.format
        ):
            stages += read[format](rule, list(group), problems)
        if rule.fill_down:
            stages = [_filled_down(stage, rule) for stage in stages]
        if rule.unpivot:
            stages = [_unpivoted(stage, rule.unpivot, rule.empty) for stage in stages]
        return stages

    def close(self) -> None:
        for number in range(1, self.tables + 1):
            self.con.execute(f"drop table if exists stage_{number}")

    def _table(self) -> str:
        self.tables += 1
        return f"stage_{self.tables}"

    def _name(self, path: Path) -> str:
        """The path as a SQL literal; a name that the engine would take for a pattern is read through a link."""
        if re.search(r"[*?\[\]{}]", str(path)):
            self.tables += 1
            link = self.scratch / f"link_{self.tables}{path.suffix}"
            link.symlink_to(path.resolve())
            path = link
        return quote(str(path))

    # CSV

    def _csv(self, rule: SourceRule, deliveries: list[Delivery], problems: list[Problem]) -> list[Stage]:
        # files of one shape are read in one go
        regular: dict[tuple[str, tuple[str, ...], bool], list[tuple[Delivery, PlainText]]] = {}
        clean: dict[tuple[str, ...], list[tuple[Delivery, Path]]] = {}
        for delivery in deliveries:
            try:
                text = plain_text(delivery, rule.encoding, self.scratch)
                delimiter, header, above = _dialect(rule, delivery, text.path)
                if above:
                    self._note_header(rule, delivery, above)
                if not above and _is_regular(text, delimiter, len(header)):
                    regular.setdefault((delimiter, header, text.count.quoted_breaks), []).append((delivery, text))
                else:
                    target = self._untangled(delivery, text, delimiter, header, above)
                    clean.setdefault(header, []).append((delivery, target))
            except UserError as error:
                problems += [problem.of(file=delivery.file) for problem in error.problems]
        stages = []
        for (delimiter, header, quoted_breaks), files in regular.items():
            scan = _Scan(delimiter, len(header), quoted_breaks)
            relation = self._counted(scan, files)
            if relation is None:
                sound = [file for file in files if self._counted(scan, [file])]
                for delivery, text in files:
                    if (delivery, text) not in sound:
                        try:
                            target = self._untangled(delivery, text, delimiter, header)
                            clean.setdefault(header, []).append((delivery, target))
                        except UserError as error:
                            problems += [problem.of(file=delivery.file) for problem in error.problems]
                files, relation = sound, self._counted(scan, sound)
            if files:
                assert relation is not None
                stages.append(_flat_stage(relation, [delivery for delivery, _ in files], header))
        return stages + self._clean_stages(clean, problems)

    def _note_header(self, rule: SourceRule, delivery: Delivery, above: int) -> None:
        if rule.header_row is None:
            self.notes.append(
                f"{delivery.file} ({rule.table.name}): the header is row {above + 1};"
                " the rows above it are no rows of the table."
            )

    def _copy(self) -> Path:
        self.tables += 1
        return self.scratch / f"copy_{self.tables}.csv"

    def _untangled(
        self, delivery: Delivery, text: PlainText, delimiter: str, header: tuple[str, ...], above: int = 0
    ) -> Path:
        target = self._copy()
        untangle(text.path, target, delivery.file, delimiter, len(header), above)
        return target

    def _counted(self, scan: "_Scan", files: list[tuple[Delivery, PlainText]]) -> str | None:
        """A relation of the files' records, or None where the engine does not read what was counted independently."""
        if not files:
            return None
        table = self._table()
        try:
            # the rows of a table made in one go are numbered in the order of the files and their lines
            names = ", ".join(self._name(text.path) for _, text in files)
            self.con.execute(
                f"create temp table {table} as select file_index::integer as file_no, * from {scan.sql(names)}"
            )
        except duckdb.InvalidInputException:
            return None
        counted = self.con.execute(f"select file_no, min(rowid), count(*) from {table} group by file_no").fetchall()
        first = {file_no: rowid for file_no, rowid, _ in counted}
        rows = {file_no: count for file_no, _, count in counted}
        if any(rows.get(file_no, 0) != max(text.count.records - 1, 0) for file_no, (_, text) in enumerate(files)):
            self.con.execute(f"drop table {table}")
            return None
        starts = ", ".join(str(first.get(file_no, 0)) for file_no in range(len(files)))
        return f"(select *, rowid - ([{starts}])[file_no + 1] + 1 as row_number, {_SOUND} from {table})"

    def _clean_stages(
        self,
        clean: dict[tuple[str, ...], list[tuple[Delivery, Path]]],
        problems: list[Problem],
        native_cells: bool = False,
    ) -> list[Stage]:
        """Copies whose records are as `untangle` writes them, by header."""
        stages = []
        for header, files in clean.items():
            table = self._table()
            names = ", ".join(quote(str(path)) for _, path in files)
            scan = _Scan(",", len(header), quoted_breaks=True, lead=("row_number", "malformed", "line", "special"))
            try:
                self.con.execute(
                    f"create temp table {table} as"
                    f" select file_index::integer as file_no, * replace (row_number::bigint as row_number),"
                    f" coalesce(special = '{ABOVE}', false) as is_above,"
                    f" coalesce(special = '{SHORT}', false) as is_short"
                    f" from {scan.sql(names)}"
                )
            except duckdb.InvalidInputException as error:
                files_read = ", ".join(delivery.file for delivery, _ in files)
                problem = (
                    f"{files_read}: a record cannot be read ({_first_line(error)}). Is there a line of more than 2 MB?"
                )
                problems.append(Problem(problem, "too_large", file=files_read))
                continue
            stages.append(_flat_stage(table, [delivery for delivery, _ in files], header, native_cells))
        return stages

    # Excel

    def _xlsx(self, rule: SourceRule, deliveries: list[Delivery], problems: list[Problem]) -> list[Stage]:
        clean: dict[tuple[str, ...], list[tuple[Delivery, Path]]] = {}
        for delivery in deliveries:
            try:
                header, above, rows = _sheet(rule, delivery)
            except _OtherSheet as other:
                self.warnings.append(str(other))
                self.skipped.add(delivery)
                continue
            except UserError as error:
                problems += [problem.of(file=delivery.file) for problem in error.problems]
                continue
            if above:
                self._note_header(rule, delivery, len(above))
            target = self._copy()
            with target.open("w", encoding="utf-8", newline="") as output:
                writer = csv.writer(output, quoting=csv.QUOTE_ALL, lineterminator="\n")
                blank = [""] * len(header)
                writer.writerows([number, "", "", ABOVE, *blank] for number, _ in enumerate(above, 1))
                writer.writerows(
                    [number, "", "", "", *map(_cell, row)] for number, row in enumerate(rows, len(above) + 1)
                )
            clean.setdefault(header, []).append((delivery, target))
        return self._clean_stages(clean, problems, native_cells=True)

    # Parquet

    def _parquet(self, rule: SourceRule, deliveries: list[Delivery], problems: list[Problem]) -> list[Stage]:
        stages = []
        for delivery in deliveries:
            file = self._name(delivery.path)
            scan = f"read_parquet({file}, binary_as_string = true, file_row_number = true, hive_partitioning = false)"
            try:
                described = self.con.execute(f"describe select * exclude (file_row_number) from {scan}").fetchall()
            except duckdb.Error as error:
                problems += unreadable_parquet([delivery], error).problems
                continue
            columns = {
                " ".join(name.split()): _parquet_source(f"c{i}", kind) for i, (name, kind, *_) in enumerate(described)
            }
            lacking = missing_columns(rule, set(columns))
            if lacking:
                problems += lacking_columns(delivery, rule, columns, lacking).problems
                continue
            renamed = ", ".join(f"{identifier(name)} as c{i}" for i, (name, *_) in enumerate(described))
            stages.append(
                Stage(
                    f"(select 0 as file_no, file_row_number + 1 as row_number, {_SOUND}, {renamed} from {scan})",
                    [delivery],
                    [set(columns)],
                    set(columns),
                    columns.__getitem__,
                    _json_object(columns),
                    parquet=file,
                )
            )
        return stages

    # JSON

    def _json(self, rule: SourceRule, deliveries: list[Delivery], problems: list[Problem]) -> list[Stage]:
        stages = []
        for delivery in deliveries:
            try:
                text = plain_text(delivery, rule.encoding, self.scratch)
                table, lists = self._json_records(rule, delivery, text)
                stages.append(self._json_stage(rule, delivery, table, lists))
            except UserError as error:
                problems += [problem.of(file=delivery.file) for problem in error.problems]
            except duckdb.InvalidInputException as error:
                problem = (
                    f"{delivery.file} is not valid JSON: {_first_line(error)} Export it again, whole;"
                    " if it is JSON Lines, name it .jsonl."
                )
                problems.append(Problem(problem, "damaged_file", file=delivery.file))
        return stages

    def _json_records(self, rule: SourceRule, delivery: Delivery, text: PlainText) -> tuple[str, set[str]]:
        """A table of the file's records: row_number, malformed, line, record (a JSON object) and element (the one of
        the exploded array, which stands in the array's place in the record too). With the path of that array, or, where
        the file has none there, those of the arrays that it has."""
        table, name, form = self._table(), self._name(text.path), _json_form(delivery, text.path)
        size = max(text.path.stat().st_size + 1024, 1 << 24) if form == "unstructured" else 1 << 24
        documents = (
            f"select row_number() over () as n, json as document from read_json_objects({name}, format = '{form}',"
            f" ignore_errors = {form == 'newline_delimited'}, maximum_object_size = {size})"
        )
        for key, path in (("records", rule.records), ("explode", rule.explode)):
            if path:
                _refuse_wildcards(path, key)
        if rule.records:
            # lists are made before they are unnested:
            # a step that still carried the document would copy it for each record
            documents = (
                f"select n, unnest(list) as document from (with lists as materialized"
                f" (select n, {_json_list('document', rule.records)} as list from ({documents})) from lists)"
            )
        record, element = "document", "null::json"
        whole = documents = f"select *, row_number() over () as document_no from ({documents})"
        if rule.explode:
            if any(isinstance(step, int) for step in _json_path(rule.explode)):
                raise UserError(
                    f"{rule.explode.place}: explode takes the keys that lead to an array, without [n].", code="mapping"
                )
            documents = f"select *, unnest({_json_list('document', rule.explode)}) as element from ({documents})"
            record = element = "element"
            for step in reversed(_json_path(rule.explode)):
                record = f"json_object({quote(str(step))}, {record})"
            record = (
                f"case when json_type(document) = 'OBJECT' then json_merge_patch(document, {record}) else document end"
            )
        self.con.execute(
            f"create temp table {table} as select n, document_no, row_number() over () as row_number,"
            " false as is_above, false as is_short, document is null as broken,"
            " case when record is null then 'not valid JSON'"
            " when json_type(record) <> 'OBJECT' then 'not a JSON object' end as malformed,"
            f" case when json_type(record) <> 'OBJECT' then record::varchar end as line, record, element"
            f" from (select n, document_no, document, {record} as record, {element} as element from ({documents}))"
        )
        if rule.records and self.con.execute(f"select count(*) from {table}").fetchall() == [(0,)]:
            self._refuse_without(rule, rule.records, delivery, name, form, size)
        broken = {n for (n,) in self.con.execute(f"select n from {table} where broken").fetchall()}
        if broken:
            with text.path.open(encoding="utf-8") as lines:
                delivered = enumerate((line.rstrip("\n") for line in lines if line.strip()), 1)
                texts = {n: line for n, line in delivered if n in broken}
            self.con.execute(
                f"update {table} set line = texts.line from (select unnest(?) as n, unnest(?) as line)"
                f" as texts where {table}.n = texts.n",
                [list(texts), list(texts.values())],
            )
        return table, self._lists(rule.explode, table, whole) if rule.explode else set()

    def _lists(self, explode: Text, table: str, documents: str) -> set[str]:
        """The path of `explode` where the documents that came to `table` have it, else the paths of their arrays.
        A preset's is never doubted: vendors leave out lists."""
        has_elements = f"select 1 from {table} where not broken limit 1"
        if explode.shipped or self.con.execute(has_elements).fetchone():
            return {str(explode)}
        has_list = f"json_type(document, {_path_sql(explode)}) in ('ARRAY', 'OBJECT', 'NULL')"
        [(records, with_list, structure)] = self.con.execute(
            f"select count(*), count(*) filter ({has_list}), json_group_structure(document) from ({documents})"
            " where document is not null"
        ).fetchall()
        # a file without records does not contradict the mapping
        return set(_paths_of_lists(json.loads(structure))) if records and not with_list else {str(explode)}

    def _refuse_without(
        self, rule: SourceRule, records: Text, delivery: Delivery, name: str, form: str, size: int
    ) -> None:
        """Nothing came out of `records`: refuse, unless the array is there and empty."""
        [(exists, keys)] = self.con.execute(
            f"select bool_or(json_exists(json, {_path_sql(records)})), list_distinct(flatten(list(json_keys(json))))"
            f" from read_json_objects({name}, format = '{form}', maximum_object_size = {size})"
        ).fetchall()
        if exists is False:
            hint = nearest(records, keys)
            raise UserError(
                f"{records.place}: {delivery.file} has no '{records}' (records of {rule.table.name}); {hint}.",
                code="no_such_records",
            )

    def _json_stage(self, rule: SourceRule, delivery: Delivery, table: str, lists: set[str]) -> Stage:
        distinct_keys = "coalesce(list_distinct(flatten(list(distinct json_keys({})))), [])"
        [(records, named, inner)] = self.con.execute(
            f"select count(record) filter (malformed is null), {distinct_keys.format('record')},"
            f" {distinct_keys.format('element')} from {table}"
        ).fetchall()
        explode = _json_path(rule.explode) if rule.explode else []
        keys = {" ".join(key.split()): key for key in (*named, *inner)}  # as the file spells them

        def extracted(name: str) -> Source:
            steps: list[str | int] = [keys[name]] if name in keys else _json_path(name)
            depth = len(explode)
            if explode and steps[:depth] == explode and any(isinstance(step, int) for step in steps[depth : depth + 1]):
                del steps[depth]  # the element stands in the place of its array
            path = _path_sql(steps)
            holder = f"case when json_exists(record, {path}) then record else element end" if explode else "record"
            kind = f"json_type({holder}, {path})"
            return Source(
                f"json_extract_string({holder}, {path})",
                f"coalesce({kind} in ('BIGINT', 'UBIGINT', 'HUGEINT', 'DOUBLE'), false)",
            )

        def is_of_element(name: str) -> bool:
            steps = [name] if name in named else _json_path(name)
            is_inner = name not in named and steps[0] in inner and steps[0] not in named
            return bool(explode) and (steps[: len(explode)] == explode or is_inner)

        columns = set(keys)
        wanted = {str(name) for mapped in rule.columns.values() for name in mapped.read_from} | set(
            map(str, rule.where)
        )
        if paths := sorted(wanted - columns):
            exist = ", ".join(f"count({extracted(path).text})" for path in paths)
            [counts] = self.con.execute(f"select {exist} from {table}").fetchall()
            columns |= {path for path, count in zip(paths, counts, strict=True) if count}
        if not records:  # a file without records does not contradict the mapping
            columns |= wanted | set(rule.table.columns)
        elif lacking := missing_columns(rule, columns):
            raise lacking_columns(delivery, rule, sorted(keys), lacking)
        elif explode:
            _refuse_shared_key(rule, delivery, {*named, *inner}, inner, is_of_element)
        # columns of their own, because a record is parsed anew wherever one of them is asked for
        fields = {name: Source(f"field_{i}", f"is_number_{i}") for i, name in enumerate(sorted(columns))}
        selected = [
            f"{extracted(name).text} as {field.text}, {extracted(name).native} as {field.native}"
            for name, field in fields.items()
        ]
        return Stage(
            f"(select {', '.join(['*', '0 as file_no', *selected])} from {table})",
            [delivery],
            [columns | lists],
            {" ".join(key.split()) for key in named},
            lambda name: fields.get(name) or extracted(name),
            "record::varchar",
            "document_no" if explode else None,
            is_of_element,
            lists=lists,
        )


def _refuse_shared_key(
    rule: SourceRule, delivery: Delivery, keys_found: set[str], inner: list[str], is_of_element: Callable[[str], bool]
) -> None:
    """UserError where the elements of a record would all have the same key, so that one of them would be kept."""
    keys = [column.name for column in rule.table.columns.values() if column.key]
    if rule.table.row_key and rule.table.row_key not in rule.columns and rule.table.row_key not in keys_found:
        return  # a row without that key is known by its file and its place in it
    sources = {name: rule.columns[name].read_from if name in rule.columns else (Text(name),) for name in keys}

    if any(is_of_element(source) for of_key in sources.values() for source in of_key):
        return
    element = next((name for name in ("id", "line_id", "name", *inner) if name in inner), "id")
    key = next((name for name in keys if name == rule.table.row_key), keys[0])
    works = ", ".join([*sources[key], f"{rule.explode}.{element}"])
    raise UserError(
        f"{delivery.file}: {rule.table.name} is exploded into the elements of '{rule.explode}', but its key"
        f" ({', '.join(keys)}) holds no value of the element: of each record one element would be kept."
        f" Write {key}: [{works}] under columns in extracts.yml.",
        code="mapping",
    )


@dataclass(frozen=True)
class _Scan:
    """How a CSV file is read: all columns as text, nothing sniffed. `lead` names columns before those of the header,
    in files without one."""

    delimiter: str
    fields: int
    quoted_breaks: bool
    lead: tuple[str, ...] = ()

    def sql(self, names: str) -> str:
        columns = ", ".join(f"{name}: 'varchar'" for name in (*self.lead, *(f"c{i}" for i in range(self.fields))))
        return (
            f"read_csv([{names}], columns = {{{columns}}}, delim = {quote(self.delimiter)}, quote = '\"',"
            f" escape = '\"', header = {not self.lead}, auto_detect = false, hive_partitioning = false,"
            f" parallel = {not self.quoted_breaks}{NEW_LINE if self.lead else ''})"
        )


def _flat_stage(
    relation: str, deliveries: list[Delivery], header: tuple[str, ...], native_cells: bool = False
) -> Stage:
    def cell(i: int) -> Source:
        mark = quote(NATIVE)
        return (
            Source(f"ltrim(c{i}, {mark})", f"coalesce(starts_with(c{i}, {mark}), false)")
            if native_cells
            else Source(f"c{i}")
        )

    sources = {name: cell(i) for i, name in enumerate(header)}
    names = set(header)
    return Stage(relation, deliveries, [names] * len(deliveries), names, sources.__getitem__, _json_object(sources))


# What a record is that is a row of the table and was read whole.
_SOUND = "null::varchar as malformed, null::varchar as line, false as is_above, false as is_short"


def _filled_down(stage: Stage, rule: SourceRule) -> Stage:
    """The stage with empty cells of the columns of `fill_down` filled from above, in the order of the file's rows."""
    names = [name for name in rule.fill_down if name in stage.named]
    window = "(partition by file_no order by row_number rows between unbounded preceding and current row)"
    filled, sources = [], {}
    for i, name in enumerate(names):
        cell = stage.source(name)
        text = f"case when not is_above then {trimmed(cell.text)} end"
        filled.append(f"last_value({text} ignore nulls) over {window} as filled_{i}")
        native = f"case when {text} is not null then {cell.native} end"
        filled.append(f"coalesce(last_value({native} ignore nulls) over {window}, false) as filled_native_{i}")
        sources[str(name)] = Source(f"filled_{i}", "false" if cell.native == "false" else f"filled_native_{i}")
    return replace(
        stage,
        relation=f"(select *, {', '.join(filled)} from {stage.relation})",
        source=lambda name: sources.get(str(name)) or stage.source(name),
    )


def _unpivoted(stage: Stage, unpivot: Unpivot, empty: tuple[str, ...]) -> Stage:
    """The stage with a row for each cell with a value in the columns that `unpivot` names."""
    cells = []
    for name in sorted(full_matches(unpivot.columns, stage.named)):
        cell = stage.source(name)
        text = trimmed(cell.text)
        if empty:
            text = f"case when {text} not in ({', '.join(map(quote, empty))}) then {text} end"
        cells.append(f"{{'name': {quote(name)}, 'value': {text}, 'native': {cell.native}}}")
    whole = "{'name': null::varchar, 'value': null::varchar, 'native': false}"
    kept = f"list_filter([{', '.join(cells)}], lambda cell: cell.value is not null)"
    listed = f"case when is_above or malformed is not null then [{whole}] else {kept} end"
    numbered = "row_number() over (partition by file_no order by row_number, position)"
    relation = (
        f"(select * replace ({numbered} as row_number) from (select *, unnest(range(len(cells))) as position,"
        f" unnest(cells) as cell from (select *, {listed} as cells from {stage.relation})))"
    )
    sources = {unpivot.name: Source("cell.name"), unpivot.value: Source("cell.value", "cell.native")}
    return replace(
        stage,
        relation=relation,
        columns=[columns | set(sources) for columns in stage.columns],
        source=lambda name: sources.get(str(name)) or stage.source(name),
    )


def _json_object(sources: dict[str, Source]) -> str:
    return f"json_object({', '.join(f'{quote(name)}, {source.text}' for name, source in sources.items())})::varchar"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].removeprefix("Invalid Input Error: ")


# How many rows of a file are looked at for its header.
HEADER_ROWS = 50
# The engine makes room for each column of a CSV file: 20,000 took 14 GB.
MOST_COLUMNS = 5_000


def _header(rule: SourceRule, delivery: Delivery, cells: Sequence[str]) -> tuple[str, ...]:
    """Names of the columns, each once: blanks around them trimmed, blanks in a row as one, the nameless and the
    repeated numbered. Raises UserError where a column that the table uses stands there twice."""
    if len(cells) > MOST_COLUMNS:
        raise UserError(
            f"{delivery.file} has {len(cells):,} columns; at most {MOST_COLUMNS:,} can be read."
            " Export those that are needed.",
            code="too_large",
        )
    names, seen = [], set()
    used: set[str] = {name for mapped in rule.columns.values() for name in mapped.read_from} | set(rule.where)
    used |= set(rule.table.columns) | set(rule.fill_down)
    if rule.unpivot:
        used |= full_matches(rule.unpivot.columns, _names(cells))
    for position, name in enumerate(_names(cells), 1):
        if name in seen:
            if name in used:
                raise UserError(
                    f"{delivery.file}: two columns are named '{name}'; which one is meant is unclear."
                    " Rename one of them.",
                    code="repeated_column",
                )
            name = f"{name}_{position}"
        seen.add(name)
        names.append(name)
    return tuple(names)


def _names(cells: Sequence[str]) -> list[str]:
    return [" ".join(cell.split()) or f"column_{position}" for position, cell in enumerate(cells, 1)]


def _header_position(rule: SourceRule, rows: Sequence[Sequence[str]]) -> int | None:
    """Where among the first rows of a file its header is: where it is declared, else the first row, else the only other
    that has every required column. None where it can't be said."""

    needed = [name for name in rule.table.columns if rule.required(name)]
    wanted = {
        source for name in needed for source in (rule.columns[name].read_from if name in rule.columns else (name,))
    }

    def fits(position: int) -> bool:
        names = set(_names(rows[position])) if position < len(rows) else set()
        if wanted and wanted.isdisjoint(names):  # as most rows, whose lacks would take long to put into words
            return False
        return bool(names) and not missing_columns(rule, names)

    if rule.header_row:
        if fits(rule.header_row - 1):
            return rule.header_row - 1
        before = [position for position in range(rule.header_row - 1) if fits(position)]
        return before[0] if len(before) == 1 else None  # counted with the blank rows, as a spreadsheet numbers them
    if fits(0):
        return 0
    fitting = [position for position in range(1, min(len(rows), HEADER_ROWS)) if fits(position)]
    return fitting[0] if len(fitting) == 1 else None


def _lacking_header(rule: SourceRule, rows: Sequence[Sequence[str]]) -> tuple[list[str], list[str]]:
    """The row that should have been the header, and what it lacks: the declared one, else the one that lacks least."""
    candidates = [rows[rule.header_row - 1]] if rule.header_row and rule.header_row <= len(rows) else rows[:HEADER_ROWS]
    lacking = [(missing_columns(rule, set(_names(cells))), list(cells)) for cells in candidates] or [([], [])]
    least, cells = min(lacking, key=lambda found: len(found[0]))
    return cells, least


def _dialect(rule: SourceRule, delivery: Delivery, path: Path) -> tuple[str, tuple[str, ...], int]:
    """Delimiter and header of a CSV file, and the number of records above the header.
    Undeclared, the delimiter is the only one that yields every required column."""
    declared = rule.delimiter or ("\t" if ".tsv" in delivery.suffixes else None)
    rows: dict[str, list[list[str]]] = {}
    for delimiter in [declared] if declared else dict.fromkeys(DELIMITERS.values()):
        with path.open(encoding="utf-8", newline="") as lines:
            records = (
                cells for cells in csv.reader(lines, delimiter=delimiter) if len(cells) > 1 or "".join(cells).strip()
            )
            try:
                rows[delimiter] = list(islice(records, max(HEADER_ROWS, rule.header_row or 0)))
            except csv.Error as error:
                raise UserError(
                    f"{delivery.file}: its header cannot be read ({error}). Is it a CSV file?", code="header"
                ) from None
    positions = {
        delimiter: position
        for delimiter, records in rows.items()
        if (position := _header_position(rule, records)) is not None
    }
    fitting = {delimiter: rows[delimiter][position] for delimiter, position in positions.items()}
    if not fitting:
        first = {delimiter: records[0] if records else [] for delimiter, records in rows.items()}
        if any(UNDECODABLE in cell for cells in first.values() for cell in cells):
            raise _undecodable_header(delivery, rule)
        widest = max(rows, key=lambda delimiter: max(map(len, rows[delimiter]), default=0))
        cells, lacking = _lacking_header(rule, rows[widest])
        if not lacking:
            raise UserError(
                f"{delivery.file}: several rows could be the header of {rule.table.name}. Declare header_row: under"
                f" {rule.table.name} in extracts.yml, counted from 1.",
                code="header",
            )
        others = "" if declared else f" No other delimiter yields them: {_yields(first)}."
        raise lacking_columns(delivery, rule, cells, lacking, others)
    if len({tuple(cells) for cells in fitting.values()}) > 1:
        raise UserError(
            f"{delivery.file} can be read with several delimiters: {_yields(fitting)}."
            f" Declare delimiter: under {rule.table.name} in extracts.yml.",
            code="delimiter",
        )
    delimiter, cells = next(iter(fitting.items()))
    if any(UNDECODABLE in cell for cell in cells):
        raise _undecodable_header(delivery, rule)
    return delimiter, _header(rule, delivery, cells), positions[delimiter]


def _undecodable_header(delivery: Delivery, rule: SourceRule) -> UserError:
    return UserError(
        f"{delivery.file}: its header is not in the declared encoding {rule.encoding}. Declare the right one.",
        code="encoding",
    )


def _yields(headers: dict[str, list[str]]) -> str:
    names = {"\t": "tab"}
    return "; ".join(
        f"{names.get(delimiter, delimiter)!r} gives {len(cells)} columns ({', '.join(cells)[:80]})"
        for delimiter, cells in headers.items()
    )


def _is_regular(text: PlainText, delimiter: str, fields: int) -> bool:
    """Whether the independent count says that every record has its fields, so that the engine may read it in bulk."""
    count = text.count
    return (
        not (text.undecodable or count.irregular or count.inside)
        and fields > 1  # of a single column, the engine takes blank lines for records
        and count.delimiters[delimiter] == count.records * (fields - 1)
    )


class _OtherSheet(Exception):
    """A sheet that a pattern matches and that holds something else."""


def _sheet(rule: SourceRule, delivery: Delivery) -> tuple[tuple[str, ...], list[list], list[list]]:
    """Header of the sheet that is meant, the rows above it and the rows below; blank rows are no rows."""
    from python_calamine import CalamineError

    workbook = open_workbook(delivery.path, delivery.file)
    try:
        names = workbook.sheet_names
        wanted = delivery.sheet or (rule.sheet[0] if rule.sheet else None)
        if wanted and wanted not in names:
            place = f"{rule.sheet[0].place}: " if rule.sheet else ""
            raise UserError(
                f"{place}{delivery.file} has no sheet '{wanted}'; {nearest(wanted, names)}.", code="no_such_sheet"
            )
        sheets = {}
        for name in [wanted] if wanted else names:
            refuse_vast(delivery.path, delivery.file, name)
            rows = [row for row in workbook.get_sheet_by_name(name).to_python() if any(cell != "" for cell in row)]
            if rows:
                sheets[name] = rows
    except CalamineError as error:
        raise UserError(
            f"{delivery.file} is not a valid workbook ({error}). Save it as .xlsx again.", code="damaged_file"
        ) from None
    if not sheets and delivery.sheet_is_matched:
        raise _OtherSheet(f"{delivery.file}: this sheet is empty; it was left out.")
    if not sheets:
        raise UserError(
            f"{delivery.file} has no rows, not even a header. Export it again or remove it.", code="empty_file"
        )
    heads = {
        name: [
            [str(_cell(cell)).strip(NATIVE) for cell in row] for row in rows[: max(HEADER_ROWS, rule.header_row or 0)]
        ]
        for name, rows in sheets.items()
    }
    fitting = {name: position for name, rows in heads.items() if (position := _header_position(rule, rows)) is not None}
    if not fitting:
        found = {name: _lacking_header(rule, rows) for name, rows in heads.items()}
        name = min(found, key=lambda name: len(found[name][1]))
        cells, lacking = found[name]
        if lacking and delivery.sheet_is_matched:
            raise _OtherSheet(f"{delivery.file}: this sheet has no header of {rule.table.name}; it was left out.")
        if not lacking:
            raise UserError(
                f"{delivery.file}: several rows of the sheet '{name}' could be the header of {rule.table.name}."
                f" Declare header_row: under {rule.table.name} in extracts.yml, counted from 1.",
                code="header",
            )
        raise lacking_columns(delivery, rule, cells, lacking, f" (Sheet '{name}'.)")
    if len(fitting) > 1:
        raise UserError(
            f"{delivery.file} has several sheets that could be {rule.table.name}: {', '.join(fitting)}. Declare sheet:"
            " in extracts.yml.",
            code="several_sheets",
        )
    [(name, position)] = fitting.items()
    rows = sheets[name]
    return _header(rule, delivery, heads[name][position]), rows[:position], rows[position + 1 :]


def _cell(value: object) -> str:
    """A cell of a workbook as text; what is not text there is marked as NATIVE."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return NATIVE + str(value).upper()
    if isinstance(value, float) and value.is_integer():
        return f"{NATIVE}{int(value)}"
    if isinstance(value, datetime):  # a day is shown without a time; nothing is told of an hour then
        return NATIVE + (value.isoformat(" ") if value.time() != time() else value.date().isoformat())
    return NATIVE + str(value)


def _parquet_source(column: str, kind: str) -> Source:
    if kind == "TIMESTAMP WITH TIME ZONE":
        return Source(f"({column} at time zone 'UTC')::varchar || 'Z'", "true")
    if kind == "DATE" or kind.startswith("TIMESTAMP"):
        return Source(f"{column}::timestamp::varchar" if kind != "DATE" else f"{column}::varchar", "true")
    if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION")):
        return Source(f"to_json({column})::varchar")
    if (
        kind.startswith(("DECIMAL", "DOUBLE", "FLOAT"))
        or kind.endswith("INT")
        or kind == "INTEGER"
        or kind == "UINTEGER"
    ):
        return Source(f"{column}::varchar", "true")
    return Source(f"{column}::varchar")


def _json_form(delivery: Delivery, path: Path) -> str:
    """How DuckDB calls the file's shape: lines, one array, or one object."""
    if delivery.suffixes[0] != ".json":
        return "newline_delimited"
    with path.open(encoding="utf-8") as text:
        line = next((line for line in iter(lambda: text.readline(1 << 20), "") if line.strip()), "").strip()
        if line.startswith("["):
            return "array"
        try:
            json.loads(line)
        except (ValueError, RecursionError):  # the engine reads what is nested too deeply for Python
            return "unstructured"
        return "newline_delimited" if any(line.strip() for line in text) else "unstructured"


def _json_path(path: str) -> list[str | int]:
    """`items.data[0].price` as steps: keys, and positions in arrays."""
    steps: list[str | int] = []
    for step in path.removeprefix("$.").split("."):
        key, *positions = re.split(r"\[(\d+)\]", step)
        steps += [key] * bool(key) + [int(position) for position in positions if position]
    return steps


def _path_sql(path: str | list[str | int]) -> str:
    steps = (_json_path(path) or [path]) if isinstance(path, str) else path
    if not {"", "*"}.isdisjoint(steps):  # a path takes them for another thing, a pointer for keys
        return quote("".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps))
    return quote("$" + "".join(f"[{step}]" if isinstance(step, int) else f".{json.dumps(step)}" for step in steps))


def _paths_of_lists(structure: object, path: str = "") -> Iterator[str]:
    """The paths of the arrays in what DuckDB calls the structure of JSON, from outside in."""
    if isinstance(structure, list) and path:
        yield path
    elif isinstance(structure, dict):
        for key, inner in structure.items():
            yield from _paths_of_lists(inner, f"{path}.{key}" if path else key)


def _refuse_wildcards(path: Text, key: str) -> None:
    if not _json_path(path) or not {"", "*"}.isdisjoint(_json_path(path)):
        raise UserError(
            f"{path.place}: '{path}' ({key}) must be the keys that lead to an array, as in data.items.", code="mapping"
        )


def _json_list(document: str, path: str) -> str:
    """What lies at the path as a list: the elements of an array, or one object; a document that is not valid stays."""
    here = _path_sql(path)
    return (
        f"case when {document} is null then [null::json]"
        f" when json_type({document}, {here}) = 'ARRAY' then json_extract({document}, {here[:-1]}[*]')"
        f" when json_type({document}, {here}) = 'OBJECT' then [json_extract({document}, {here})] else [] end"
    )
