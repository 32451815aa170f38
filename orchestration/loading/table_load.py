"""One contract table of one refresh: what must be read, how its columns are read, and the rows that come of it."""

import json
import re
from hashlib import sha256

import duckdb

from orchestration.contract.mapping import ColumnRule, Mapping
from orchestration.contract.names import nearest
from orchestration.contract.tables import DATES, NUMBERS, Column, Table
from orchestration.errors import UserError
from orchestration.loading import readings, registry
from orchestration.loading.discovery import Delivery
from orchestration.loading.readers import Readers, Source, Stage
from orchestration.loading.readings import identifier, quote
from orchestration.loading.report import FileReport, LoadReport

# Part of every mapping hash: raise it when the loader writes the same file differently, so that files are read again.
NOTATION = 1
# Two paths that share more than this part of the smaller one's unkeyed lines are warned about.
SHARED_LINES = 0.5


class TableLoad:
    """`read` stages and judges what is new, `write` stores it; between the two the database is as it was."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, mapping: Mapping, table: Table, deliveries: list[Delivery]
    ) -> None:
        self.con, self.table, self.deliveries = con, table, deliveries
        self.rule, self.time_zone = mapping.rule(table), mapping.time_zone
        self.mapping_hash = sha256(f"{NOTATION} {self.rule.signature(mapping.time_zone)}".encode()).hexdigest()
        self.known = registry.known_loads(con, table)
        self.stages: list[
            tuple[Stage, dict[str, ColumnRule], list[dict]]
        ] = []  # with the columns and the evidence of each file
        self.readings: dict[str, str] = {}  # of undeclared dates
        self.warnings: list[str] = []
        self.load_ids: dict[tuple[str, str], str] = {}

    # what must be read

    def read(self, readers: Readers, full_refresh: bool) -> list[str]:
        """Stage the contents that are new or mapped differently now. Returns problems."""
        problems: list[str] = []
        contents = {}  # a content that lies under several paths is read from the smallest
        for delivery in self.deliveries:
            contents.setdefault(delivery.content_hash, delivery)
        fresh = [
            delivery
            for content, delivery in contents.items()
            if full_refresh or content not in self.known or self.known[content].mapping_hash != self.mapping_hash
        ]
        self._stage(readers, fresh, problems)
        if not problems:
            problems += self._unknown_sources(fresh)
        if not problems:
            problems += self._resolve(fresh)
        if not problems:  # what was read by a reading that the new files have overturned
            other = [
                delivery
                for content, delivery in contents.items()
                if delivery not in fresh
                and any(
                    self.readings.get(name) != was for name, was in json.loads(self.known[content].readings).items()
                )
            ]
            self._stage(readers, other, problems)
        return problems

    def _stage(self, readers: Readers, deliveries: list[Delivery], problems: list[str]) -> None:
        for stage in readers.stages(self.rule, deliveries, problems):
            columns = self._columns(set().union(*stage.columns))
            try:
                self.stages.append((stage, columns, self._evidence(stage, columns)))
            except UserError as error:
                problems.append(str(error))

    def _columns(self, available: set[str]) -> dict[str, ColumnRule]:
        """Where each contract column comes from, as far as the files have it."""
        return {
            name: self._mapped(name)
            for name in self.table.columns
            if (name in self.rule.columns or self.rule.falls_back(name))
            and available.issuperset(self._mapped(name).sources)
        }

    def _mapped(self, name: str) -> ColumnRule:
        return self.rule.columns.get(name) or ColumnRule((name,))

    def _recorded(self, fresh: list[Delivery]) -> list[dict]:
        """Evidence of the loads that stay as they are."""
        replaced = {delivery.content_hash for delivery in fresh}
        return [json.loads(load.evidence) for content, load in self.known.items() if content not in replaced]

    def _unknown_sources(self, fresh: list[Delivery]) -> list[str]:
        available = {name for stage, _, _ in self.stages for columns in stage.columns for name in columns}
        available |= {name for evidence in self._recorded(fresh) for name in evidence["sources"]}
        problems = []
        for name, mapped in self.rule.columns.items():
            for source in mapped.sources:
                if source not in available and not source.shipped:
                    hint = nearest(source, available)
                    problems.append(
                        f"{source.place}: no file of {self.table.name} has a column '{source}' (for {name}); {hint}."
                    )
                elif lacking := [
                    delivery.file
                    for stage, _, _ in self.stages
                    for delivery, columns in zip(stage.deliveries, stage.columns, strict=True)
                    if source not in columns and not source.shipped
                ]:
                    more = f" and {len(lacking) - 1} more files have" if len(lacking) > 1 else " has"
                    self.warnings.append(
                        f"{lacking[0]}{more} no column '{source}': {self.table.name}.{name} is empty there."
                    )
        return problems

    # how columns are read

    def _delivered(self, stage: Stage, mapped: ColumnRule) -> Source:
        """The text of a contract column before `values`."""
        if mapped.value is not None:
            return Source(quote(mapped.value))
        if len(mapped.sources) == 1:
            return stage.source(mapped.sources[0])
        parts = ", ".join(f"coalesce({readings.trimmed(stage.source(source).text)}, '')" for source in mapped.sources)
        return Source(f"nullif(concat_ws('|', {parts}), '{'|' * (len(mapped.sources) - 1)}')")

    def _text(self, stage: Stage, mapped: ColumnRule) -> Source:
        """The text of a contract column after `values` and `default`; an empty value that `values` does not list takes
        the default too."""
        delivered = self._delivered(stage, mapped)
        if not mapped.values:
            if mapped.default is None:
                return delivered
            return Source(f"coalesce({readings.trimmed(delivered.text)}, {quote(mapped.default)})", delivered.native)
        compared = _compared(delivered.text)
        cases = " ".join(f"when {quote(value)} then {quote(meant)}" for value, meant in mapped.values.items())
        otherwise = delivered.text if mapped.default is None else quote(mapped.default)
        unlisted = f"{compared} not in ({', '.join(map(quote, mapped.values))})"
        native = (
            "false"
            if mapped.default is not None or delivered.native == "false"
            else f"({delivered.native} and {unlisted})"
        )
        return Source(f"case {compared} {cases} else {otherwise} end", native)

    def _relation(self, stage: Stage, columns: dict[str, ColumnRule]) -> str:
        """The stage with, of every row that `where` keeps, the text of each contract column: text_<name>, native_<name>."""
        kept = [
            f"{_compared(stage.source(name).text)} in ({', '.join(map(quote, values))})"
            for name, values in self.rule.where.items()
        ]
        texts = []
        for name, mapped in columns.items():
            source = self._text(stage, mapped)
            texts.append(f"case when is_kept then {source.text} end as {identifier(f'text_{name}')}")
            texts.append(f"{source.native} as {identifier(f'native_{name}')}")
        judged = f"select *, {' and '.join(['malformed is null', *kept])} as is_kept from {stage.relation}"
        return f"(select {', '.join(['*', *texts])} from ({judged}))"

    def _undeclared(self, column: Column, mapped: ColumnRule, native: str) -> bool:
        """Whether the values themselves must say how they are to be read."""
        if mapped.value is not None or native == "true":
            return False
        return (column.type in DATES and not (mapped.format or self.rule.date_format)) or (
            column.type in NUMBERS and not self.rule.decimal
        )

    def _evidence(self, stage: Stage, columns: dict[str, ColumnRule]) -> list[dict]:
        """Of each file, in one scan: its rows, the votes of undeclared columns, and the keys of `where` and `values` that
        occurred."""
        selected = {
            "rows": "count(*)",
            "malformed": "count(malformed)",
            "filtered": "count(*) filter (malformed is null and not is_kept)",
        }
        for name, mapped in columns.items():
            native = self._text(stage, mapped).native
            if self._undeclared(self.table.columns[name], mapped, native):
                text = readings.trimmed(identifier(f"text_{name}"))
                if native != "false":
                    text = f"case when not {identifier(f'native_{name}')} then {text} end"
                is_date = self.table.columns[name].type in DATES
                votes = readings.date_votes(text, self.time_zone) if is_date else readings.number_votes(text)
                selected |= {f"votes/{name}/{kind}": sql for kind, sql in votes.items()}
            if mapped.values:
                selected[f"values/{name}"] = _occurring(self._delivered(stage, mapped).text, mapped.values, "is_kept")
        for name, values in self.rule.where.items():
            selected[f"where/{name}"] = _occurring(stage.source(name).text, values, "malformed is null")
        rows = self._run(
            stage,
            f"select file_no, {', '.join(selected.values())} from {self._relation(stage, columns)} group by file_no",
        ).fetchall()
        counted = {file_no: dict(zip(selected, values, strict=True)) for file_no, *values in rows}

        wanted = {str(source) for mapped in self.rule.columns.values() for source in mapped.sources}
        evidence = []
        for file_no, available in enumerate(stage.columns):
            counts = counted.get(file_no, {"rows": 0, "malformed": 0, "filtered": 0})
            own = {key: counts[key] for key in ("rows", "malformed", "filtered")}
            own |= {"sources": sorted(wanted & available), "votes": {}, "values": {}, "where": {}}
            for key, value in counts.items():
                part, _, rest = key.partition("/")
                name, _, kind = rest.rpartition("/") if part == "votes" else (rest, "", "")
                if part == "votes":
                    own["votes"].setdefault(name, {"column": columns[name].signature()})[kind] = value
                elif rest:
                    own[part][name] = value or []
            evidence.append(own)
        return evidence

    def _resolve(self, fresh: list[Delivery]) -> list[str]:
        """Find the reading of each undeclared column from the votes of all files, present and gone. Returns problems."""
        problems = []
        current = [evidence for _, _, files in self.stages for evidence in files]
        recorded = self._recorded(fresh)
        votes_of: dict[str, list[dict]] = {}
        for evidence in current + recorded:
            for name, votes in evidence["votes"].items():
                mapped = self._mapped(name)
                # a gone file may have been mapped otherwise: then its values say nothing about this column
                if votes["column"] == mapped.signature() and self._undeclared(
                    self.table.columns[name], mapped, "false"
                ):
                    votes_of.setdefault(name, []).append(votes)
        for name, ballots in votes_of.items():
            votes = {
                kind: sum(ballot[kind] for ballot in ballots)
                for kind, value in ballots[0].items()
                if isinstance(value, int)
            }
            if not votes["values"]:
                continue
            for kind, choose in (("least", min), ("greatest", max)):
                votes[kind] = choose((ballot[kind] for ballot in ballots if ballot[kind] is not None), default=None)
            judge = self._judge_date if self.table.columns[name].type in DATES else self._judge_number
            problems += judge(name, " + ".join(self._mapped(name).sources), votes)
        for part in ("where", "values"):
            self._warn_of_unused(part, current + recorded)
        return problems

    def _files(self) -> str:
        files = [delivery.file for stage, _, _ in self.stages for delivery in stage.deliveries] or [
            delivery.file for delivery in self.deliveries
        ]
        return files[0] + (f" and {len(files) - 1} more" if len(files) > 1 else "")

    def _judge_date(self, name: str, source: str, votes: dict) -> list[str]:
        fitting = readings.date_reading(votes)
        of = f"{self._files()}: the dates of '{source}' ({self.table.name}.{name})"
        declare = f'Declare date_format: under {self.table.name} in extracts.yml, such as "%d.%m.%Y" or "%m/%d/%Y" (or format: of the column)'
        if len(fitting) == 1:
            self.readings[name] = fitting[0]
            if not votes["iso"] + votes["dmy"] + votes["mdy"]:
                self.warnings.append(
                    f"{self._files()}: {votes['values']:,} texts of '{source}' ({self.table.name}.{name}) are no dates in any reading; "
                    f"their rows are quarantined. If they are dates: {declare[0].lower()}{declare[1:]}."
                )
            return []
        if fitting:
            samples = dict.fromkeys(text for text in (votes["least"], votes["greatest"]) if text)
            shown = ", ".join(f"'{text}' is {_iso(text, 'dmy')} or {_iso(text, 'mdy')}" for text in samples)
            return [
                f"{of} all read both day first and month first{': ' * bool(shown)}{shown}. {declare}; which one is meant is never guessed."
            ]
        counts = ", ".join(
            f"{readings.DATE_READINGS[reading]} fits {votes[reading]}" for reading in readings.DATE_READINGS
        )
        return [
            f"{of} contradict each other: of {votes['values']} values {counts}. {declare}, and deliver the column in one notation."
        ]

    def _judge_number(self, name: str, source: str, votes: dict) -> list[str]:
        of = f"{self._files()}: the numbers of '{source}' ({self.table.name}.{name})"
        declare = f'Declare decimal: "," or decimal: "." under {self.table.name} in extracts.yml'
        if readings.is_ambiguous_number(votes):
            samples = ", ".join(f"'{text}'" for text in dict.fromkeys([votes["least"], votes["greatest"]]))
            return [
                f"{of} can be read with a decimal point and with a decimal comma, with different values: {samples}. {declare}."
            ]
        if commas := votes["comma"] - votes["both"]:
            self.warnings.append(
                f"{of}: {commas} of {votes['values']} have a decimal comma, which is not declared; these rows are quarantined. {declare}."
            )
        return []

    def _warn_of_unused(self, part: str, evidence: list[dict]) -> None:
        declared = (
            self.rule.where
            if part == "where"
            else {name: mapped.values for name, mapped in self.rule.columns.items() if mapped.values}
        )
        for name, keys in declared.items():
            occurred = {key for file in evidence for key in file[part].get(name, ())}
            if unused := [f"'{key}'" for key in keys if key not in occurred]:
                self.warnings.append(
                    f"extracts.yml: {', '.join(unused)} ({part} of {self.table.name}: {name}) matched nothing."
                )

    def _value(self, name: str, mapped: ColumnRule, native: str) -> str:
        """A contract column in the notation of `raw`."""
        kind, text = self.table.columns[name].type, readings.trimmed(identifier(f"text_{name}"))
        has_native = identifier(f"native_{name}") if native not in ("true", "false") else native
        if kind in DATES:
            format = (
                "iso"
                if mapped.value is not None
                else mapped.format or self.rule.date_format or self.readings.get(name, "iso")
            )
            value = readings.date_text(readings.moment(text, has_native, format, self.time_zone), kind)
        elif kind in NUMBERS:
            point = readings.number(text, ".")
            value = point
            if self.rule.decimal == "," and mapped.value is None and native != "true":
                comma = readings.number(text, ",")
                value = comma if native == "false" else f"case when {has_native} then {point} else {comma} end"
            if mapped.scale is not None:
                value = readings.scaled(value, mapped.scale)
        else:
            return text
        return (
            f"case when {text} is not null then coalesce({value}, 'unreadable: ' || {identifier(f'text_{name}')}) end"
        )

    # what comes of it

    def write(self, report: LoadReport) -> None:
        """Store what was staged, in place of earlier loads of the same contents."""
        staged = {
            delivery.content_hash: evidence
            for stage, _, files in self.stages
            for delivery, evidence in zip(stage.deliveries, files, strict=True)
        }
        accounts = {
            content: (load.load_id, load.rows_read, load.rows_filtered, load.rows_malformed)
            for content, load in self.known.items()
        }
        order = max((load.load_order for load in self.known.values()), default=0)
        loads = []
        contents = list(
            dict.fromkeys(delivery.content_hash for delivery in self.deliveries if delivery.content_hash in staged)
        )
        for content in contents:
            evidence = staged[content]
            used = {
                name: self.readings[name]
                for name, votes in evidence["votes"].items()
                if votes["values"] and name in self.readings
            }
            readings_used = json.dumps(used, sort_keys=True)
            load_id = sha256(
                "\t".join([self.table.name, content, self.mapping_hash, readings_used]).encode()
            ).hexdigest()[:20]
            accounts[content] = (load_id, evidence["rows"], evidence["filtered"], evidence["malformed"])
            order += content not in self.known
            position = self.known[content].load_order if content in self.known else order
            loads.append(
                registry.Load(
                    load_id, self.mapping_hash, readings_used, json.dumps(evidence), position, *accounts[content][1:]
                )
            )
        registry.replace(self.con, self.table, contents, loads)
        for stage, columns, _ in self.stages:
            self._insert(stage, columns, [accounts[delivery.content_hash][0] for delivery in stage.deliveries])

        read = set()
        for delivery in self.deliveries:
            content = delivery.content_hash
            self.load_ids[self.table.name, content] = accounts[content][0]
            is_new = content in staged and content not in read
            report.files.append(FileReport(self.table.name, delivery.file, content, *accounts[content], is_new))
            read.add(content)
        report.warnings += self.warnings
        if self.readings:
            report.readings[self.table.name] = self.readings
        unmapped = set()
        for stage, columns, _ in self.stages:
            used_sources = {source for mapped in columns.values() for source in mapped.sources}
            unmapped |= stage.named - used_sources
        if unmapped:
            report.unmapped[self.table.name] = sorted(unmapped)

    def _insert(self, stage: Stage, columns: dict[str, ColumnRule], load_ids: list[str]) -> None:
        values = {
            identifier(name): self._value(name, mapped, self._text(stage, mapped).native)
            for name, mapped in columns.items()
        }
        values |= {
            "load_id": f"([{', '.join(map(quote, load_ids))}])[file_no + 1]",
            "row_number": "row_number",
            "raw_row": f"case when malformed is null then {stage.raw_row} else json_object('line', line)::varchar end",
            "malformed": "malformed",
        }
        self._run(
            stage,
            f"insert into raw.{self.table.raw}_rows by name select {', '.join(f'{sql} as {name}' for name, sql in values.items())}"
            f" from {self._relation(stage, columns)} where is_kept or malformed is not null",
        )

    def _run(self, stage: Stage, sql: str) -> duckdb.DuckDBPyConnection:
        try:
            return self.con.execute(sql)
        except duckdb.InvalidInputException as error:  # Parquet is read here for the first time
            names = ", ".join(delivery.file for delivery in stage.deliveries)
            raise UserError(
                f"{names} cannot be read to the end ({str(error).splitlines()[0]}). Deliver it again."
            ) from None

    def shared_lines(self) -> list[str]:
        """Warnings of paths that deliver mostly the same lines, where lines are known only by their file and row."""
        if not self.table.row_key or not self.stages:
            return []
        columns = ", ".join(map(identifier, self.table.columns))
        pairs = self.con.execute(
            f"""
            with lines as (
                select file, file_order, hash({columns}) as line, count(*) as copies
                from raw.{self.table.raw}
                where {identifier(self.table.row_key)} is null and malformed is null and is_current and in_force
                group by all
            ),
            sizes as (select file, sum(copies) as copies from lines group by file)
            select a.file, b.file, sum(least(a.copies, b.copies))::bigint as shared, min(least(sizes_a.copies, sizes_b.copies))::bigint as smaller
            from lines as a
            inner join lines as b on a.line = b.line and a.file_order < b.file_order
            inner join sizes as sizes_a on sizes_a.file = a.file
            inner join sizes as sizes_b on sizes_b.file = b.file
            group by a.file, a.file_order, b.file, b.file_order
            having shared > smaller * {SHARED_LINES}
            order by a.file_order, b.file_order
            """
        ).fetchall()
        return [
            f"{a} and {b} share {shared} lines of {self.table.name} ({smaller} in the smaller file). With no {self.table.row_key} both count;"
            " if one replaces the other, deliver it under the same name, or remove one."
            for a, b, shared, smaller in pairs
        ]


def _compared(text: str) -> str:
    """Text as `where` and `values` compare it: blanks around it trimmed, an empty one ''."""
    return f"coalesce({readings.trimmed(text)}, '')"


def _occurring(text: str, keys, condition: str) -> str:
    """An aggregate: those of the keys that occur as the text."""
    text = _compared(text)
    return f"list(distinct {text}) filter ({condition} and {text} in ({', '.join(map(quote, keys))}))"


def _iso(text: str, reading: str) -> str:
    first, second, year = re.findall(r"\d+", text)[:3]
    day, month = (first, second) if reading == "dmy" else (second, first)
    return f"{year}-{int(month):02d}-{int(day):02d}"
