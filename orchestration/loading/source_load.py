"""One source of a contract table in one refresh: what must be read, how its columns are read,
and the rows that come of it."""

import json
import re
from collections.abc import Collection
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import duckdb

from orchestration.contract.mapping import MINOR_UNITS, ColumnRule, Mapping, SourceRule
from orchestration.contract.names import nearest
from orchestration.contract.placed_yaml import Text
from orchestration.contract.tables import DATES, MONEY, NUMBERS, Column
from orchestration.errors import Problem, UserError
from orchestration.loading import identities, money, plain_parquet, plans, readings, registry
from orchestration.loading.concerned import concerned, counted
from orchestration.loading.discovery import Delivery
from orchestration.loading.plain_parquet import Shape
from orchestration.loading.readers import Readers, Source, Stage, unreadable_parquet
from orchestration.loading.report import FileReport, LoadReport
from orchestration.warehouse.quoting import identifier, quote

# Part of every mapping hash: raise it when the loader writes the same file differently, so that files are read again.
NOTATION = 4
# Two paths that share more than this part of the smaller one's unkeyed lines are warned about.
SHARED_LINES = 0.5
HUNDREDTH = Decimal("0.01")


class SourceLoad:
    """`read` stages and judges what is new, `write` stores it; between the two the database is as it was."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        mapping: Mapping,
        rule: SourceRule,
        deliveries: list[Delivery],
        delivered: Path | None,
        known_plans: plans.Plans,
    ) -> None:
        self.con, self.rule, self.table, self.deliveries, self.delivered = con, rule, rule.table, deliveries, delivered
        self.plans = known_plans
        self.time_zone, self.reporting_currency = mapping.time_zone, mapping.reporting_currency
        self.mapping_hash = sha256(f"{NOTATION} {rule.signature(mapping.time_zone)}".encode()).hexdigest()
        self.known = registry.known_loads(con, rule)
        self.stages: list[
            tuple[Stage, dict[str, ColumnRule], list[dict]]
        ] = []  # with the columns and the evidence of each file
        self.shapes: dict[str, Shape] = {}  # by the content hashes of the files that the engine reads itself
        self.readings: dict[str, str] = {}  # of undeclared dates
        self.warnings: list[str] = []
        self.lacking: list[tuple[str, list[Delivery], str]] = []  # files without a mapped column, see `lacking_columns`
        self.load_ids: dict[registry.Place, str] = {}

    # what must be read

    def read(self, readers: Readers, full_refresh: bool) -> list[Problem]:
        """Stage the contents that are new or mapped differently now. Returns problems."""
        problems: list[Problem] = []
        contents: dict[str, Delivery] = {}  # a content that lies under several paths is read from the smallest
        for delivery in self.deliveries:
            contents.setdefault(delivery.content_hash, delivery)
        fresh = [
            delivery
            for content, delivery in contents.items()
            if full_refresh or content not in self.known or self._has_changed(self.known[content])
        ]
        problems += self._undeclared_snapshots(fresh)
        self._stage(readers, fresh, problems)
        if not problems:
            problems += self._unknown_sources(fresh)
        if not problems:
            problems += self._resolve(fresh)
        if not problems:  # what was read by a reading, or by plans, that the new files have overturned
            other = [
                delivery
                for content, delivery in contents.items()
                if delivery not in fresh and self._is_overturned(self.known[content])
            ]
            self._stage(readers, other, problems)
            self._warn_of_gone(contents.keys())
        return [problem.of(self.table.name, mapping=self.rule.place) for problem in problems]

    def _has_changed(self, load: registry.Load) -> bool:
        """Whether the file must be read again, by another mapping or because its copy is gone or cut."""
        if load.mapping_hash != self.mapping_hash:
            return True
        if not self.delivered or not load.shape:
            return False
        copy = Shape.read(load.shape).copy(self.table, self.delivered, load.load_id)
        return not plain_parquet.is_whole(copy, load.copied_bytes)

    def _is_overturned(self, load: registry.Load) -> bool:
        return json.loads(load.readings) != self._readings_used(json.loads(load.evidence))

    def _readings_used(self, evidence: dict) -> dict:
        """What decides how a file is read that its mapping does not say: the readings of its undeclared dates, and what
        its plans are. An empty plan_id stands for rows without a plan."""
        used: dict = {
            name: self.readings[name]
            for name, votes in evidence["votes"].items()
            if votes["values"] and name in self.readings
        }
        if named := evidence.get("plans"):
            used["plans"] = {plan: self.plans.get(plan) for plan in named if plan}
            if "" in named and self.reporting_currency:
                used["plans"][""] = self._is_of_reporting_currency_otherwise()
        return used

    def _warn_of_gone(self, present: Collection[str]) -> None:
        """Warn of amounts in minor units whose plan has another minor unit now, in files that can't be read again."""
        if all(mapped.scale != MINOR_UNITS for mapped in self.rule.columns.values()):
            return
        for content, load in self.known.items():
            read_with = {} if content in present else json.loads(load.readings).get("plans", {})
            if changed := [plan for plan, was in read_with.items() if plan and self._has_other_minor_unit(plan, was)]:
                [(file,)] = self.con.execute("select file from raw.loads where load_id = ?", [load.load_id]).fetchall()
                self.warnings.append(
                    f"{file} is gone, and {counted(len(changed), 'plan')} of its rows had another currency when it was"
                    f" read: amounts of {self.table.name} in minor units stay as they were read then. Deliver the file"
                    " again to have them read anew."
                )

    def _has_other_minor_unit(self, plan: str, was: list[str | None] | None) -> bool:
        before, now = (terms[0] if terms else None for terms in (was, self.plans.get(plan)))
        before, now = before or self.reporting_currency, now or self.reporting_currency
        return bool(before and now and money.decimals(before) != money.decimals(now))

    def _stage(self, readers: Readers, deliveries: list[Delivery], problems: list[Problem]) -> None:
        stages = readers.stages(self.rule, deliveries, problems)
        skipped = {delivery.content_hash for delivery in deliveries if delivery in readers.skipped}
        self.deliveries = [delivery for delivery in self.deliveries if delivery.content_hash not in skipped]
        for stage in stages:
            columns = self._columns(set().union(*stage.columns))
            try:
                if shape := self._shape(stage, columns):
                    self.shapes[stage.deliveries[0].content_hash] = shape
                    [(rows,)] = self._run(stage, f"select count(*) from {stage.relation}").fetchall()
                    evidence = [self._account(stage.columns[0], rows)]
                else:
                    evidence = self._evidence(stage, columns)
                self.stages.append((stage, columns, evidence))
            except UserError as error:
                problems += error.problems

    def _columns(self, available: set[str]) -> dict[str, ColumnRule]:
        """Where each contract column comes from, as far as the files have it."""
        return {
            name: self._mapped(name)
            for name in self.table.columns
            if (name in self.rule.columns or self.rule.falls_back(name))
            and self._is_there(self._mapped(name), available)
        }

    @staticmethod
    def _is_there(mapped: ColumnRule, available: set[str]) -> bool:
        return bool(available.intersection(mapped.first_of)) or (
            not mapped.first_of and available.issuperset(mapped.sources)
        )

    def _mapped(self, name: str) -> ColumnRule:
        return self.rule.columns.get(name) or ColumnRule((Text(name),))

    def _recorded(self, fresh: list[Delivery]) -> list[dict]:
        """Evidence of the loads that stay as they are."""
        replaced = {delivery.content_hash for delivery in fresh}
        return [json.loads(load.evidence) for content, load in self.known.items() if content not in replaced]

    def _undeclared_snapshots(self, fresh: list[Delivery]) -> list[Problem]:
        """A problem where several new files arrive and nothing says which of them are one snapshot. The sheets of a
        workbook are."""
        if self.rule.delivery != "snapshot" or self.rule.snapshot is not None:
            return []
        new = list(dict.fromkeys(one.snapshot for one in fresh if one.content_hash not in self.known))
        if len(new) < 2:
            return []
        problem = (
            f"{new[0]} and {len(new) - 1} more files of {self.table.name} arrive at once, and nothing says what one"
            f" snapshot is. Write one of three under {self.table.name} in extracts.yml:"
            " snapshot: all (all files together are one),"
            ' snapshot: folder (each folder is one), or the day in the path, such as snapshot: "clients_%Y-%m-%d".'
        )
        return [Problem(problem, "snapshot", file=new[0])]

    def _unknown_sources(self, fresh: list[Delivery]) -> list[Problem]:
        available = {name for stage, _, _ in self.stages for columns in stage.columns for name in columns}
        available |= {name for evidence in self._recorded(fresh) for name in evidence["sources"]}
        problems: list[Problem] = []
        explode, exploded = self.rule.explode, [stage for stage, _, _ in self.stages if stage.document]
        if explode and exploded and explode not in available:
            lists = {name for stage in exploded for name in stage.lists}
            problem = f"no file of {self.table.name} has a list '{explode}' (explode); {nearest(explode, lists)}"
            problems.append(Problem(f"{explode.place}: {problem}.", "no_such_column"))
        for name, mapped in self.rule.columns.items():
            if mapped.first_of:
                missing = [] if available.intersection(mapped.first_of) else list(mapped.first_of)
            else:
                missing = [source for source in mapped.sources if source not in available]
            if missing and mapped.optional:
                if missing[0].shipped:  # a preset maps whatever its vendor may deliver
                    continue
                shown = " and ".join(f"'{source}'" for source in missing)
                start = f"{missing[0].place}: no file of {self.table.name} has a column {shown}; {name} is empty"
                advice = f" Export it too, or remove {name} from the mapping where the system doesn't have it."
                self.lacking.append((start, self.deliveries, advice))
            elif missing:
                problems += [
                    Problem(
                        f"{source.place}: no file of {self.table.name} has a column '{source}' (for {name});"
                        f" {nearest(source, available)}.",
                        "no_such_column",
                    )
                    for source in missing
                    if not source.shipped
                ]
            elif not mapped.optional:
                self._warn_of_lacking(name, mapped)
        return problems

    def _warn_of_lacking(self, name: str, mapped: ColumnRule) -> None:
        """Warn where some files lack a column that others have."""
        for source in mapped.sources:
            lacking = [
                delivery
                for stage, _, _ in self.stages
                for delivery, columns in zip(stage.deliveries, stage.columns, strict=True)
                if source not in columns and not source.shipped
            ]
            if lacking:
                more = f" and {len(lacking) - 1} more files have" if len(lacking) > 1 else " has"
                start = f"{lacking[0].file}{more} no column '{source}': {self.table.name}.{name} is empty"
                self.lacking.append((start, lacking, " If that is right, write optional: true."))

    def lacking_columns(self) -> list[str]:
        """Warnings of mapped columns that files lack, once their rows are written."""
        return [f"{start} in {self._concerned(deliveries)}.{advice}" for start, deliveries, advice in self.lacking]

    def _concerned(self, deliveries: list[Delivery]) -> str:
        load_ids = [self.load_ids[self.table.name, self.rule.name, delivery.content_hash] for delivery in deliveries]
        return concerned(self.con, self.table, "list_contains(?, load_id)", [load_ids])

    # how columns are read

    def _delivered(self, stage: Stage, mapped: ColumnRule) -> Source:
        """The text of a contract column before `values`, trimmed, without the texts that stand for no value."""
        if mapped.value is not None:
            return Source(readings.trimmed_constant(mapped.value))
        if mapped.first_of:
            there = [name for name in mapped.first_of if any(name in columns for columns in stage.columns)]
            cells = [self._filled(stage, name, mapped) for name in there]
            if len(cells) == 1:
                return cells[0]
            cases = " ".join(f"when {cell.text} is not null then {cell.native}" for cell in cells)
            native = "false" if all(cell.native == "false" for cell in cells) else f"case {cases} else false end"
            return Source(f"coalesce({', '.join(cell.text for cell in cells)})", native)
        if len(mapped.sources) == 1:
            return self._filled(stage, mapped.sources[0], mapped)
        parts = ", ".join(f"coalesce({self._filled(stage, name, mapped).text}, '')" for name in mapped.sources)
        return Source(f"nullif(concat_ws('|', {parts}), '{'|' * (len(mapped.sources) - 1)}')")

    def _filled(self, stage: Stage, name: str, mapped: ColumnRule | None) -> Source:
        """A source column, trimmed, null where its text stands for no value."""
        source = stage.source(name)
        text = readings.trimmed(source.text)
        if empty := [*self.rule.empty, *(mapped.empty if mapped else ())]:
            text = f"case when {text} not in ({', '.join(map(quote, empty))}) then {text} end"
        return Source(text, source.native)

    def _text(self, stage: Stage, mapped: ColumnRule) -> Source:
        """The text of a contract column after `values` and `default`, trimmed; an empty value that `values` does not
        list takes the default too."""
        delivered = self._delivered(stage, mapped)
        default = None if mapped.default is None else readings.trimmed_constant(mapped.default)
        if not mapped.values:
            return Source(f"coalesce({delivered.text}, {default})", delivered.native) if default else delivered
        compared = f"coalesce({delivered.text}, '')"
        cases = " ".join(
            f"when {quote(value)} then {readings.trimmed_constant(meant)}" for value, meant in mapped.values.items()
        )
        otherwise = default or delivered.text
        unlisted = f"{compared} not in ({', '.join(map(quote, mapped.values))})"
        native = (
            "false"
            if mapped.default is not None or delivered.native == "false"
            else f"({delivered.native} and {unlisted})"
        )
        return Source(f"case {compared} {cases} else {otherwise} end", native)

    def _kept(self, stage: Stage) -> str:
        """The condition of `where`."""
        conditions = []
        for name, kept in self.rule.where.items():
            text = _compared(self._asked(stage, name).text)
            if kept.values is not None:
                conditions.append(f"{text} in ({', '.join(map(quote, kept.values))})")
            if kept.excluded:
                conditions.append(f"{text} not in ({', '.join(map(quote, kept.excluded))})")
            if kept.present is not None:
                columns = [mapped for mapped in self.rule.columns.values() if mapped.read_from == (name,)]
                filled = self._filled(stage, name, columns[0] if columns else None).text
                conditions.append(f"{filled} is {'not ' if kept.present else ''}null")
        return " and ".join(conditions) or "true"

    @staticmethod
    def _asked(stage: Stage, name: str) -> Source:
        """The text of a column of `where`; of one that no file has, empty."""
        return stage.source(name) if any(name in columns for columns in stage.columns) else Source("null")

    def _relation(self, stage: Stage, columns: dict[str, ColumnRule]) -> str:
        """The stage with, of every row that is kept, the trimmed text of each column: text_<name>, native_<name>; of
        numbers and dates plain_<name>, ready to be read, and of money stated_<name>, the currencies that stand beside
        it."""
        texts, plain = [], []
        for name, mapped in columns.items():
            source = self._text(stage, mapped)
            texts.append(f"case when is_kept then {source.text} end as {identifier(f'text_{name}')}")
            texts.append(f"{source.native} as {identifier(f'native_{name}')}")
            kind, text = self.table.columns[name].type, identifier(f"text_{name}")
            if kind in DATES:
                plain.append(
                    f"{readings.plain_date(text, self.rule.language(mapped))} as {identifier(f'plain_{name}')}"
                )
            elif kind in MONEY:
                plain.append(f"{money.figure(text)} as {identifier(f'plain_{name}')}")
                plain.append(f"{money.stated(text)} as {identifier(f'stated_{name}')}")
            elif kind in NUMBERS:
                plain.append(f"{text} as {identifier(f'plain_{name}')}")
        # a row that lacks fields at its end can still be asked what `where` asks; any other malformed row can't
        asked = "(malformed is null or is_short)"
        judged = (
            f"select *, coalesce(is_above or ({asked} and not ({self._kept(stage)})), false) as is_filtered"
            f" from {stage.relation}"
        )
        kept = f"select *, malformed is null and not is_filtered as is_kept from ({judged})"
        return f"(select {', '.join(['*', *plain])} from (select {', '.join(['*', *texts])} from ({kept})))"

    def _clock(self, mapped: ColumnRule) -> readings.Clock:
        return readings.Clock(mapped.time_zone or self.rule.time_zone or self.time_zone, self.time_zone)

    def _undeclared(self, column: Column, mapped: ColumnRule, native: str) -> bool:
        """Whether the values themselves must say how they are to be read."""
        if mapped.value is not None or native == "true":
            return False
        return (column.type in DATES and not self.rule.formats(mapped)) or (
            column.type in NUMBERS and not self.rule.decimal
        )

    def _shape(self, stage: Stage, columns: dict[str, ColumnRule]) -> Shape | None:
        """The shape of a file that the engine reads itself: its texts, too, stand in it as they would in `raw`."""
        if not self.delivered or not stage.parquet:
            return None
        try:
            shape = Shape.of(self.con, self.rule, columns, stage.parquet)
        except duckdb.Error as error:
            raise unreadable_parquet(stage.deliveries, error) from None
        if shape is None:
            return None
        cells = [f"{stage.source(shape.columns[name]).text} as {identifier(name)}" for name in shape.texts]
        differ = [f"{self._as_text(name)} is distinct from nullif({identifier(name)}, '')" for name in shape.texts]
        found = f"select 1 from (select {', '.join(cells)} from {stage.relation}) where {' or '.join(differ)} limit 1"
        return None if cells and self._run(stage, found).fetchone() else shape

    def _as_text(self, name: str) -> str:
        """What `_value` makes of a text that says nothing but itself; null where it is none."""
        column, text = self.table.columns[name], readings.trimmed(identifier(name))
        if name == "currency":
            return f"upper({text})"
        if column.identifies:
            return identities.id_text(text, self.rule, column, self._mapped(name))
        return f"nfc_normalize({text})"

    def _evidence(self, stage: Stage, columns: dict[str, ColumnRule]) -> list[dict]:
        """Of each file, in one scan: its rows, the votes of undeclared columns,
        and the keys of `where` and `values` that occurred."""
        selected = {
            "rows": "count(*)",
            "malformed": "count(*) filter (malformed is not null and not is_filtered)",
            "filtered": "count(*) filter (is_filtered)",
        }
        for name, mapped in columns.items():
            native = self._text(stage, mapped).native
            if self._undeclared(self.table.columns[name], mapped, native):
                text = identifier(f"plain_{name}")
                if native != "false":
                    text = f"case when not {identifier(f'native_{name}')} then {text} end"
                is_date = self.table.columns[name].type in DATES
                if is_date and self.rule.language(mapped):
                    text = f"case when not {readings.names_month(text)} then {text} end"
                elif self.table.columns[name].type == "fraction":
                    text = f"coalesce({readings.percent(text)}, {text})"
                votes = readings.date_votes(text, self._clock(mapped)) if is_date else readings.number_votes(text)
                selected |= {f"votes/{name}/{kind}": sql for kind, sql in votes.items()}
            if mapped.values:
                selected[f"values/{name}"] = _occurring(self._delivered(stage, mapped).text, mapped.values, "is_kept")
            if self.table.columns[name].type in NUMBERS and mapped.value is None:
                unreadable = self._unreadable(name, native)
                # an aggregate computes what it is asked of all rows, also of those that its filter leaves out
                text = f"case when {unreadable} then {identifier(f'text_{name}')} end"
                selected[f"unreadable/{name}"] = (
                    f"{{'rows': count(*) filter ({unreadable}), 'row': min(row_number) filter ({unreadable}), 'shape':"
                    f" arg_min({readings.shape(text)}, row_number) filter ({unreadable})}}"
                )
        for name, kept in self.rule.where.items():
            if keys := (*(kept.values or ()), *kept.excluded):
                selected[f"where/{name}"] = _occurring(self._asked(stage, name).text, keys, "malformed is null")
        if plans.are_asked(self.rule):
            plan = self._plan_id(stage, columns) if "plan_id" in columns else "null"
            selected["plans"] = f"list(distinct coalesce({plan}, '')) filter (is_kept)"
        rows = self._run(
            stage,
            f"select file_no, {', '.join(selected.values())} from {self._relation(stage, columns)} group by file_no",
        ).fetchall()
        counted = {file_no: dict(zip(selected, values, strict=True)) for file_no, *values in rows}

        evidence = []
        for file_no, available in enumerate(stage.columns):
            counts = counted.get(file_no, {"rows": 0, "malformed": 0, "filtered": 0})
            own = self._account(available, counts["rows"], counts["malformed"], counts["filtered"])
            for key, value in counts.items():
                part, _, rest = key.partition("/")
                name, _, kind = rest.rpartition("/") if part == "votes" else (rest, "", "")
                if part == "votes":
                    own["votes"].setdefault(name, {"column": columns[name].signature()})[kind] = value
                elif rest:
                    own[part][name] = value or []
            own["plans"] = sorted(counts.get("plans") or ())
            evidence.append(own)
        return evidence

    def _account(self, available: set[str], rows: int, malformed: int = 0, filtered: int = 0) -> dict:
        """The evidence of a file that has these columns, as far as it does not depend on values."""
        wanted = {str(source) for mapped in self.rule.columns.values() for source in mapped.read_from}
        wanted |= {str(self.rule.explode)} if self.rule.explode else set()
        counts = {"rows": rows, "malformed": malformed, "filtered": filtered, "sources": sorted(wanted & available)}
        return counts | {"votes": {}, "values": {}, "where": {}, "unreadable": {}, "plans": []}

    def _unreadable(self, name: str, native: str) -> str:
        """The condition that a number can't be read, by the declared decimal mark or by either."""
        kind, plain = self.table.columns[name].type, identifier(f"plain_{name}")
        marks = [self.rule.decimal] if self.rule.decimal and native == "false" else [".", ","]
        number = f"coalesce({readings.percent(plain)}, {plain})" if kind == "fraction" else plain
        read = ", ".join(readings.number(number, mark) for mark in marks)
        return f"{plain} is not null and coalesce({read}) is null"

    def _warn_of_unreadable(self) -> None:
        """Show the shape of numbers that can't be read; of what a personal file holds, a shape says nothing."""
        for stage, columns, files in self.stages:
            for delivery, evidence in zip(stage.deliveries, files, strict=True):
                for name, found in evidence["unreadable"].items():
                    if found and found["rows"]:
                        source = " or ".join(columns[name].read_from)
                        self.warnings.append(
                            f"{delivery.file}, row {found['row']}: {name} ('{source}') isn't a number: it looks like"
                            f" '{found['shape']}'. {counted(found['rows'], 'row')} of {self.table.name} with such"
                            " values can't be used and went to the quarantine. If the words are a currency,"
                            " export plain numbers; if they stand for no value, list them under empty:."
                        )

    def _resolve(self, fresh: list[Delivery]) -> list[Problem]:
        """Find the reading of each undeclared column from the votes of all files, present and gone.
        Returns problems."""
        problems: list[Problem] = []
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
            for kind, choose in (("least", min), ("greatest", max), ("shortest", min)):
                votes[kind] = choose((ballot[kind] for ballot in ballots if ballot.get(kind) is not None), default=None)
            judge = self._judge_date if self.table.columns[name].type in DATES else self._judge_number
            problems += judge(name, " + ".join(self._mapped(name).read_from), votes)
        for part in ("where", "values"):
            self._warn_of_unused(part, current + recorded)
        self._warn_of_unreadable()
        return problems

    def _files(self) -> str:
        files = [delivery.file for stage, _, _ in self.stages for delivery in stage.deliveries] or [
            delivery.file for delivery in self.deliveries
        ]
        return files[0] + (f" and {len(files) - 1} more" if len(files) > 1 else "")

    def _judge_date(self, name: str, source: str, votes: dict) -> list[Problem]:
        fitting = readings.date_reading(votes)
        of = f"{self._files()}: the dates of '{source}' ({self.table.name}.{name})"
        declare = (
            f'Declare date_format: under {self.table.name} in extracts.yml, such as "%d.%m.%Y" or "%m/%d/%Y"'
            " (or format: of the column)"
        )
        if len(fitting) == 1:
            self.readings[name] = fitting[0]
            if votes["short"] and not votes["iso"] + votes["dmy"] + votes["mdy"]:
                problem = (
                    f"{of} have years of two digits, such as '{votes['shortest']}'; in which order day,"
                    " month and year stand is never guessed."
                    f' Declare date_format: under {self.table.name} in extracts.yml, such as "%d.%m.%y".'
                )
                return [Problem(problem, "dates", file=self._files())]
            if not votes["iso"] + votes["dmy"] + votes["mdy"]:
                self.warnings.append(
                    f"{self._files()}: {votes['values']:,} values of '{source}' ({self.table.name}.{name})"
                    " cannot be parsed as dates; their rows are quarantined."
                    f" If they are dates: {declare[0].lower()}{declare[1:]}."
                )
            return []
        if fitting:
            samples = dict.fromkeys(text for text in (votes["least"], votes["greatest"]) if text)
            shown = ", ".join(f"'{text}' is {_iso(text, 'dmy')} or {_iso(text, 'mdy')}" for text in samples)
            problem = (
                f"{of} all read both day first and month first{': ' * bool(shown)}{shown}. {declare};"
                " which one is meant is never guessed."
            )
            return [Problem(problem, "dates", file=self._files())]
        counts = ", ".join(
            f"{readings.DATE_READINGS[reading]} fits {votes[reading]}" for reading in readings.DATE_READINGS
        )
        problem = (
            f"{of} contradict each other: of {votes['values']} values {counts}."
            f" {declare}, and deliver the column in one notation."
        )
        return [Problem(problem, "dates", file=self._files())]

    def _judge_number(self, name: str, source: str, votes: dict) -> list[Problem]:
        of = f"{self._files()}: the numbers of '{source}' ({self.table.name}.{name})"
        declare = f'Declare decimal: "," or decimal: "." under {self.table.name} in extracts.yml'
        if readings.is_ambiguous_number(votes):
            samples = ", ".join(f"'{text}'" for text in dict.fromkeys([votes["least"], votes["greatest"]]))
            problem = (
                f"{of} can be read with a decimal point and with a decimal comma,"
                f" with different values: {samples}. {declare}."
            )
            return [Problem(problem, "numbers", file=self._files())]
        if commas := votes["comma"] - votes["both"]:
            self.warnings.append(
                f"{of}: {commas} of {votes['values']} have a decimal comma, which is not declared;"
                f" these rows are quarantined. {declare}."
            )
        return []

    def _warn_of_unused(self, part: str, evidence: list[dict]) -> None:
        declared: dict[str, tuple[str, ...]]
        if part == "where":
            declared = {name: (*(kept.values or ()), *kept.excluded) for name, kept in self.rule.where.items()}
        else:
            declared = {name: tuple(mapped.values) for name, mapped in self.rule.columns.items()}
        for name, keys in declared.items():
            occurred = {key for file in evidence for key in file[part].get(name, ())}
            if unused := [f"'{key}'" for key in keys if key not in occurred and not getattr(key, "shipped", False)]:
                self.warnings.append(
                    f"extracts.yml: {', '.join(unused)} ({part} of {self.table.name}: {name}) matched nothing."
                )

    def _value(self, name: str, mapped: ColumnRule, native: str, currency: str) -> str:
        """A contract column in the notation of `raw`."""
        column, text = self.table.columns[name], identifier(f"text_{name}")
        plain = identifier(f"plain_{name}")
        has_native = identifier(f"native_{name}") if native not in ("true", "false") else native
        if column.type in DATES:
            constant = mapped.value is not None
            value = readings.moment(
                plain,
                has_native,
                self._clock(mapped),
                "iso" if constant else self.readings.get(name, "iso"),
                () if constant else self.rule.formats(mapped),
                None if constant else self.rule.language(mapped),
                self.rule.decimal or ".",
            )
            value = readings.date_text(readings.shifted(value, mapped.add, mapped.inclusive), column.type)
        elif column.type in NUMBERS:
            value = self._number(name, mapped, native, has_native, currency)
        elif column.identifies:
            value = identities.id_text(text, self.rule, column, mapped)
        else:
            # composed letters: engines other than DuckDB can't normalise them, and "é" in two letters equals no alias
            return f"nfc_normalize({text})"
        return f"case when {text} is not null then coalesce({value}, 'unreadable: ' || {text}) end"

    def _number(self, name: str, mapped: ColumnRule, native: str, has_native: str, currency: str) -> str:
        column, plain = self.table.columns[name], identifier(f"plain_{name}")
        decimal = self.rule.decimal if mapped.value is None and native != "true" else None

        def read(text: str) -> str:
            point = readings.number(text, ".")
            if decimal != ",":
                return point
            comma = readings.number(text, ",")
            return comma if native == "false" else f"case when {has_native} then {point} else {comma} end"

        value = read(plain)
        if mapped.scale == MINOR_UNITS:
            value = money.of_minor_units(value, currency)
        elif isinstance(mapped.scale, Decimal):
            value = readings.scaled(value, mapped.scale)
        if column.type == "fraction":
            part = readings.percent(plain)
            value = f"case when {part} is not null then {readings.scaled(read(part), HUNDREDTH)} else {value} end"
        if column.type in MONEY:
            contradicted = money.contradicts(identifier(f"stated_{name}"), currency)
            value = f"case when not {contradicted} then {value} end"
        return value

    def _currency(self, columns: dict[str, ColumnRule]) -> str | None:
        """The row's currency in capitals: as mapped, else the one that stands beside its money.
        None for a table that has no currency."""
        if "currency" not in self.table.columns:
            return None
        delivered = [f"upper({identifier('text_currency')})"] if "currency" in columns else []
        amounts = [name for name in columns if self.table.columns[name].type in MONEY]
        found = [*delivered, *(money.currency_of(identifier(f"stated_{name}")) for name in amounts)]
        return f"coalesce({', '.join(found)})" if found else "null::varchar"

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
        sizes = {delivery.content_hash: delivery.stamp[0] for delivery in self.deliveries}
        order = max((load.load_order for load in self.known.values()), default=0)
        loads = []
        contents = list(
            dict.fromkeys(delivery.content_hash for delivery in self.deliveries if delivery.content_hash in staged)
        )
        for content in contents:
            evidence = staged[content]
            readings_used = json.dumps(self._readings_used(evidence), sort_keys=True)
            load_id = sha256(
                "\t".join([self.table.name, self.rule.name, content, self.mapping_hash, readings_used]).encode()
            ).hexdigest()[:20]
            accounts[content] = (load_id, evidence["rows"], evidence["filtered"], evidence["malformed"])
            order += content not in self.known
            position = self.known[content].load_order if content in self.known else order
            loads.append(
                registry.Load(
                    load_id,
                    self.mapping_hash,
                    readings_used,
                    json.dumps(evidence),
                    position,
                    *accounts[content][1:],
                    self.known[content].seen_as_of if content in self.known else None,
                    str(self.shapes[content]) if content in self.shapes else None,
                    sizes[content] if content in self.shapes else None,
                )
            )
        registry.replace(self.con, self.rule, contents, loads)
        for stage, columns, _ in self.stages:
            load_ids = [accounts[delivery.content_hash][0] for delivery in stage.deliveries]
            if shape := self.shapes.get(stage.deliveries[0].content_hash):
                assert self.delivered is not None
                plain_parquet.copy(stage.deliveries[0], shape.copy(self.table, self.delivered, load_ids[0]))
            else:
                self._insert(stage, columns, load_ids)

        read = set()
        for delivery in self.deliveries:
            content = delivery.content_hash
            self.load_ids[self.table.name, self.rule.name, content] = accounts[content][0]
            is_new = content in staged and content not in read
            report.files.append(
                FileReport(self.table.name, self.rule.name, delivery.file, content, *accounts[content], is_new)
            )
            read.add(content)
        report.warnings += self.warnings
        if self.readings:
            report.readings.setdefault(self.table.name, {}).update(self.readings)
        unmapped = set()
        for stage, columns, _ in self.stages:
            used_sources = {source for mapped in columns.values() for source in mapped.read_from}
            unmapped |= stage.named - used_sources
        if unmapped:
            report.unmapped[self.table.name] = sorted({*report.unmapped.get(self.table.name, ()), *unmapped})

    def _insert(self, stage: Stage, columns: dict[str, ColumnRule], load_ids: list[str]) -> None:
        relation, row_currency = self._relation(stage, columns), self._currency(columns)
        currency = row_currency or "null::varchar"
        if plans.are_asked(self.rule):
            relation = self._with_plans(stage, columns, relation)
        in_minor_units = [name for name, mapped in columns.items() if mapped.scale == MINOR_UNITS]
        if in_minor_units:
            known_currency = self._known_currency(currency)
            self._refuse_unknown_currency(stage, relation, known_currency, in_minor_units)
        values = {
            identifier(name): self._value(
                name,
                mapped,
                self._text(stage, mapped).native,
                known_currency if name in in_minor_units else currency,
            )
            for name, mapped in columns.items()
        }
        if row_currency:
            values[identifier("currency")] = currency
        discount = columns.get("discount_amount")
        if stage.document and discount and not any(map(stage.is_of_element, discount.read_from)):
            values[identifier("discount_amount")] = self._discount_of_element(stage, values, columns)
        load_id = f"([{', '.join(map(quote, load_ids))}])[file_no + 1]"
        values |= {
            "load_id": load_id,
            "row_number": "row_number",
            "raw_row": f"case when malformed is null then {stage.raw_row} else json_object('line', line)::varchar end",
            "malformed": "malformed",
        }
        selected = ", ".join(f"{sql} as {name}" for name, sql in values.items())
        self._run(
            stage,
            f"insert into raw.{self.table.raw}_rows by name select {selected}"
            f" from {relation} where is_kept or (malformed is not null and not is_filtered)",
        )
        self._insert_spellings(stage, columns, load_id)

    def _insert_spellings(self, stage: Stage, columns: dict[str, ColumnRule], load_id: str) -> None:
        """Note how ids that are compared by another text are spelt, where first."""
        for name, mapped in columns.items():
            column = self.table.columns[name]
            if column.identifies is None or identities.treatment(mapped) is None:
                continue
            text = identifier(f"text_{name}")
            marked = identities.id_text(text, self.rule, column, mapped)
            self._run(
                stage,
                "insert into raw.spellings_seen select load_id, identifies, marked, spelling, min(row_number) from ("
                f"select {load_id} as load_id, {quote(column.identifies)} as identifies, {marked} as marked,"
                f" {identities.prefixed(text, self.rule, column)} as spelling, row_number"
                f" from {self._relation(stage, columns)} where is_kept) where marked is not null group by all",
            )

    def _with_plans(self, stage: Stage, columns: dict[str, ColumnRule], relation: str) -> str:
        """The relation with the terms of each row's plan: plan_currency, plan_price."""
        plan = self._plan_id(stage, columns) if "plan_id" in columns else "null::varchar"
        return (
            f"(from (select *, {plan} as of_plan_id from {relation}) left join {plans.RELATION}"
            " on of_plan_id = known_plan_id)"
        )

    def _known_currency(self, currency: str) -> str:
        """The currency of whose minor unit an amount is: the row's, the plan's, the reporting one."""
        known = [currency]
        if plans.are_asked(self.rule):
            known.append("plan_currency")
        if self.reporting_currency and self._is_of_reporting_currency_otherwise():
            known.append(quote(self.reporting_currency))
        return f"coalesce({', '.join(known)})"

    def _is_of_reporting_currency_otherwise(self) -> bool:
        """Whether an amount is in the reporting currency where its row names neither a currency nor a plan. An event is
        about the plan that an event before it named, which may be in another currency: as long as all have cents,
        the amount is the same."""
        assert self.reporting_currency
        if self.table.name != "billing.subscription_events":
            return True
        of_plans = {money.decimals(currency) for currency, _ in self.plans.values() if currency}
        return of_plans <= {money.decimals(self.reporting_currency)}

    def _refuse_unknown_currency(self, stage: Stage, relation: str, currency: str, names: list[str]) -> None:
        filled = " or ".join(f"{identifier(f'text_{name}')} is not null" for name in names)
        [(rows, first)] = self._run(
            stage,
            f"select count(*), min(row_number) from {relation} where is_kept and ({filled}) and {currency} is null",
        ).fetchall()
        if rows:
            raise UserError(
                f"{self._files()}: {counted(rows, 'row')} of {self.table.name} (the first is row {first})"
                " have amounts in minor units and no currency, so that it can't be said what they are worth."
                f" {self._way_to_a_currency()} Nothing was loaded.",
                code="currency",
                file=self._files(),
            )

    def _way_to_a_currency(self) -> str:
        if self.reporting_currency:
            return "Map currency or plan_id: not all plans have the minor unit of the reporting currency."
        return "Map currency, or set reporting_currency in extracts.yml."

    def _plan_id(self, stage: Stage, columns: dict[str, ColumnRule]) -> str:
        mapped = columns["plan_id"]
        return self._value("plan_id", mapped, self._text(stage, mapped).native, "null")

    def _discount_of_element(self, stage: Stage, values: dict[str, str], columns: dict[str, ColumnRule]) -> str:
        """A discount of a whole record, taken off its elements once: off the first as far as that goes,
        then the next."""
        discount = f"try_cast({values[identifier('discount_amount')]} as decimal(28, 6))"
        prices = [values[identifier("unit_price")]] if "unit_price" in columns else []
        price = f"try_cast(coalesce({', '.join([*prices, 'plan_price'])}) as decimal(18, 6))"
        quantity = f"try_cast({values[identifier('quantity')]} as decimal(18, 6))" if "quantity" in columns else "1"
        whole = f"cast({price} * coalesce({quantity}, 1) as decimal(28, 6))"
        element = f"partition by file_no, is_kept, {stage.document} order by row_number"
        before = f"coalesce(sum({whole}) over ({element} rows between unbounded preceding and 1 preceding), 0)"
        rest = f"greatest({discount} - {before}, 0)"
        last = f"row_number() over ({element} desc) = 1"
        return f"cast(case when {whole} is null or {last} then {rest} else least({rest}, {whole}) end as varchar)"

    def _run(self, stage: Stage, sql: str) -> duckdb.DuckDBPyConnection:
        try:
            return self.con.execute(sql)
        except duckdb.Error as error:
            if any(delivery.format != "parquet" for delivery in stage.deliveries):
                raise
            raise unreadable_parquet(stage.deliveries, error) from None  # its rows are read here for the first time

    def shared_lines(self) -> list[str]:
        """Warnings of paths that deliver mostly the same lines, where lines are known only by their file and row."""
        if not self.table.row_key or not self.stages:
            return []
        columns = ", ".join(map(identifier, self.table.columns))
        pairs = self.con.execute(
            f"""
            with lines as (
                select file, file_order, hash({columns}) as line, count(*) as copies,
                    any_value(try_cast(amount as decimal(38, 6))) as amount, min(source) as source
                from raw.{self.table.raw}
                where {identifier(self.table.row_key)} is null and malformed is null and is_current and in_force
                group by all
            ),
            sizes as (select file, sum(copies) as copies from lines group by file)
            select a.file, b.file, sum(least(a.copies, b.copies))::bigint as shared,
                min(least(sizes_a.copies, sizes_b.copies))::bigint as smaller,
                sum(least(a.copies, b.copies) * a.amount) as amount, bool_or(a.source <> b.source) as of_two_sources
            from lines as a
            inner join lines as b on a.line = b.line and a.file_order < b.file_order
            inner join sizes as sizes_a on sizes_a.file = a.file
            inner join sizes as sizes_b on sizes_b.file = b.file
            group by a.file, a.file_order, b.file, b.file_order
            having shared > smaller * {SHARED_LINES}
            order by a.file_order, b.file_order
            """
        ).fetchall()
        prefixes = " If they are of two systems whose ids meet, write key_prefix and customer_prefix under one of them."
        return [
            f"{a} and {b} share {shared} lines of {self.table.name}"
            f"{f' with amount {amount:,.2f}' if amount is not None else ''} ({smaller} in the smaller file)."
            f" With no {self.table.row_key} both count; if one replaces the other, deliver it under the same name,"
            " or remove one."
            f"{prefixes if of_two_sources else ''}"
            for a, b, shared, smaller, amount, of_two_sources in pairs
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
