"""The schema `raw`: rows as loaded, and which content was loaded when and lies where.

raw.loads  one row per content of a source (load_id): what decided its reading, its accounts, its place in the order.
raw.files  one row per source, path and content ever found there.
raw.snapshots  one row per snapshot of a list with history and content that it holds.
raw.<source>__<table>_rows  the rows of all loads, but for files that the engine reads itself (see plain_parquet).
raw.<source>__<table>  a view of the rows of all loads, with what the registry knows of their load.
"""

from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path

import duckdb

from orchestration.contract.mapping import Mapping, SourceRule
from orchestration.contract.pulls import FOLDER
from orchestration.contract.tables import Table, contract
from orchestration.errors import Problem, UserError, refuse_if
from orchestration.loading import identities, plain_parquet
from orchestration.loading.discovery import Delivery, file_order, snapshot_of
from orchestration.loading.plain_parquet import Shape
from orchestration.warehouse import connection
from orchestration.warehouse.folder import REFRESH_HISTORY, now, today
from orchestration.warehouse.quoting import identifier

REGISTRY = """
create schema if not exists raw;
create table if not exists raw.loads (
    load_id varchar, table_name varchar, content_hash varchar, mapping_hash varchar,
    readings varchar,           -- JSON: column -> reading of its undeclared dates, plans -> their currency and price
    evidence varchar,           -- JSON: what the values of the file voted for, and which mapped values occurred
    loaded_at timestamp,
    load_order bigint,          -- first load of the content within its table; a load that replaces it keeps it
    rows_read bigint, rows_filtered bigint, rows_malformed bigint,
    file varchar, file_order varchar, is_current boolean, in_force boolean,  -- see `settle`
    source varchar,
    seen_as_of date,            -- as_of of the refresh that first loaded the content; null until that is known
    status_means varchar,       -- as the source declares it
    is_history boolean,         -- the content is part of a list whose versions are kept
    shape varchar,              -- JSON: how the engine reads the file by itself; null where its rows are stored here
    refresh_id varchar,         -- the refresh that loaded it: unlike loaded_at it grows whatever the clock shows
    copied_bytes bigint,        -- size of the copy that the engine reads by itself
    load_number bigint          -- place of the load in the order of its table's deliveries: file, content, source
);
create table if not exists raw.files (
    table_name varchar, file varchar, file_order varchar, content_hash varchar, load_id varchar,
    seen_order bigint, is_current boolean,
    loaded_at timestamp,        -- when the content last became the path's current one
    source varchar,
    is_present boolean,         -- it lay in the extracts folder at the last refresh
    refresh_id varchar          -- the refresh in which the content last became the path's current one
);
create table if not exists raw.snapshots (
    table_name varchar, source varchar, content_hash varchar, snapshot_on date
)
"""


# What a warehouse of an earlier version lacks; there each table had one source.
_MIGRATIONS = [
    f"alter table raw.{table} add column if not exists {column}"
    for table, columns in {
        "loads": (
            "source varchar default '1'",
            "seen_as_of date",
            "status_means varchar",
            "is_history boolean",
            "shape varchar",
            "refresh_id varchar",
            "copied_bytes bigint",
            "load_number bigint",
        ),
        "files": ("source varchar default '1'", "is_present boolean", "refresh_id varchar"),
    }.items()
    for column in columns
]
# Rows of an earlier version are of the refresh that had begun last when they were loaded.
_MIGRATIONS += [
    f"update raw.{table} set refresh_id = (select max_by(history.refresh_id, history.started_at)"
    f" from quality.refresh_history as history where history.started_at <= {table}.loaded_at) where refresh_id is null"
    for table in ("loads", "files")
]
_THIS_REFRESH = "(select max(history.refresh_id) from quality.refresh_history as history)"
Place = tuple[str, str, str]  # table, source and content hash


@dataclass(frozen=True)
class Load:
    """A content of a table, as loaded."""

    load_id: str
    mapping_hash: str
    readings: str
    evidence: str
    load_order: int
    rows_read: int
    rows_filtered: int
    rows_malformed: int
    seen_as_of: date | None
    shape: str | None
    copied_bytes: int | None


@dataclass(frozen=True)
class Copy:
    """A delivered file that the engine reads itself, and that nothing else holds."""

    path: Path
    file: str  # the path under which it was delivered
    shape: Shape
    size: int | None  # None: copied by an earlier version

    @property
    def is_whole(self) -> bool:
        return plain_parquet.is_whole(self.path, self.size)


def prepare(con: duckdb.DuckDBPyConnection, delivered: Path | None = None) -> None:
    """Create what is missing of the schema, for every contract table."""
    REFRESH_HISTORY.create(con)
    con.execute(f"begin; {REGISTRY}; {identities.REGISTRY}; {'; '.join(_MIGRATIONS)}; commit")
    # A row as delivered is long and seldom read. A file of an earlier version knows no zstd and would not compress it.
    [(storage,)] = con.execute(
        "select tags['storage_version'] from duckdb_databases() where database_name = current_database()"
    ).fetchall()
    kinds = {"raw_row": "varchar using compression zstd"} if (storage or "") >= connection.STORAGE_VERSION else {}
    statements = []
    existing = con.execute("select table_name, column_name from duckdb_columns() where schema_name = 'raw'").fetchall()
    for table in contract().values():
        rows, columns = f"{table.raw}_rows", plain_parquet.row_columns(table)[:-1]
        types = ", ".join(f"{identifier(column)} {kinds.get(column, 'varchar')}" for column in columns)
        statements.append(f"create table if not exists raw.{rows} ({types}, row_number bigint)")
        if (rows, "load_id") in existing:  # by an earlier version, with fewer columns perhaps
            new = [column for column in columns if (rows, column) not in existing]
            statements += [f"alter table raw.{rows} add column {identifier(column)} varchar" for column in new]
    con.execute(f"begin; {'; '.join(statements)}; commit")
    if delivered:
        _forget_unread(con, delivered)
    create_views(con, delivered)


def create_views(con: duckdb.DuckDBPyConnection, delivered: Path | None) -> None:
    """The view of each contract table. `delivered` is the folder of the copies that the engine reads itself."""
    for table in contract().values():
        con.execute(f"create or replace view raw.{table.raw} as {view(con, table, rows(con, table, delivered))}")


def rows(con: duckdb.DuckDBPyConnection, table: Table, delivered: Path | None) -> str:
    """A relation of the rows of all loads of a table: what is stored, and what lies in copies."""
    stored = f"raw.{table.raw}_rows"
    if not delivered:
        return stored
    read = _rows_of_copies(con, table, delivered)
    columns = ", ".join(map(identifier, plain_parquet.row_columns(table)))
    return f"({' union all '.join([f'select {columns} from {stored}', *read])})" if read else stored


def _rows_of_copies(con: duckdb.DuckDBPyConnection, table: Table, delivered: Path) -> list[str]:
    """For each shape, SQL of the rows of its copies; without those that are gone or cut, which `missing` names."""
    whole = [copy for copy in _copies(con, delivered, table) if copy.is_whole]
    return [
        shape.in_duckdb(table, files)
        for shape in shapes(con, table)
        if (files := [copy.path for copy in whole if copy.shape == shape])
    ]


def shapes(con: duckdb.DuckDBPyConnection, table: Table) -> list[Shape]:
    """The shapes of the files of a table that the engine reads itself."""
    found = con.execute(
        "select distinct shape from raw.loads where table_name = ? and shape is not null order by shape", [table.name]
    ).fetchall()
    return [Shape.read(text) for (text,) in found]


def _copies(con: duckdb.DuckDBPyConnection, delivered: Path, *tables: Table) -> list[Copy]:
    """The copies that there should be, of these tables or of all."""
    copies = []
    for table in tables or contract().values():
        loads = con.execute(
            "select file, load_id, shape, copied_bytes from raw.loads where table_name = ? and shape is not null"
            " order by load_id",
            [table.name],
        ).fetchall()
        for file, load_id, text, size in loads:
            shape = Shape.read(text)
            copies.append(Copy(shape.copy(table, delivered, load_id), file, shape, size))
    return copies


def _forget_unread(con: duckdb.DuckDBPyConnection, delivered: Path) -> None:
    """Delete the copies that no load needs any more."""
    needed = {copy.path for copy in _copies(con, delivered)}
    for file in delivered.rglob("*.*"):
        if file not in needed:
            file.unlink()


def missing(con: duckdb.DuckDBPyConnection, delivered: Path) -> list[Problem]:
    """Problems: rows that were stored nowhere but in a copy that is gone or cut."""
    return [
        Problem(
            f"{copy.path} is {'cut off' if copy.path.exists() else 'gone'}, and with it the rows of {copy.file}, which"
            f" are nowhere else. Put it back, or deliver {copy.file} again as it was.",
            "engine",
            file=copy.file,
        )
        for copy in _copies(con, delivered)
        if not copy.is_whole
    ]


def take_in(con: duckdb.DuckDBPyConnection, delivered: Path | None) -> None:
    """Store the rows of the files that another engine has read itself, for one that does not."""
    known = "select 1 from duckdb_columns() where (schema_name, table_name, column_name) = ('raw', 'loads', 'shape')"
    if (
        not con.execute(known).fetchone()
        or not con.execute("select 1 from raw.loads where shape is not null").fetchone()
    ):
        return
    if delivered is None:
        raise UserError(
            "Some rows are stored only where Spark read them. Name that folder with --spark-storage. Nothing was"
            " changed.",
            code="engine",
        )
    con.execute("alter table raw.loads add column if not exists copied_bytes bigint")  # an earlier version lacks it
    refuse_if(missing(con, delivered))
    con.execute("begin")
    try:
        for table in contract().values():
            for copied in _rows_of_copies(con, table, delivered):
                con.execute(f"insert into raw.{table.raw}_rows by name {copied}")
        con.execute("update raw.loads set shape = null, copied_bytes = null")
        con.execute("commit")
    except BaseException:
        con.execute("rollback")
        raise


def view(con: duckdb.DuckDBPyConnection, table: Table, delivered: str, schema: str = "raw") -> str:
    """SQL of a contract table: the rows of all loads, which are the relation `delivered`, with what the registry knows
    of their load."""
    published, joins = identities.published(con, table, schema)
    names = ", ".join(
        f"{published.get(name, f'delivered.{identifier(name)}')} as {identifier(name)}"
        for name in [*table.columns, "load_id", "raw_row", "malformed", "row_number"]
    )
    return (
        f"select {names}, loads.file, loads.file_order, loads.load_order, loads.load_number, loads.is_current,"
        " loads.in_force, loads.source, loads.seen_as_of, loads.status_means, loads.is_history"
        f" from {delivered} as delivered inner join {schema}.loads as loads"
        " on loads.load_id = delivered.load_id"
        f"{joins}"
    )


def known_loads(con: duckdb.DuckDBPyConnection, rule: SourceRule) -> dict[str, Load]:
    """Loads of a source by content hash."""
    rows = con.execute(
        "select content_hash, load_id, mapping_hash, readings, evidence, load_order, rows_read, rows_filtered,"
        " rows_malformed,"
        " seen_as_of, shape, copied_bytes from raw.loads where table_name = ? and source = ? order by load_order",
        [rule.table.name, rule.name],
    ).fetchall()
    return {row[0]: Load(*row[1:]) for row in rows}


def replace(con: duckdb.DuckDBPyConnection, rule: SourceRule, contents: list[str], loads: list[Load]) -> None:
    """Enter the loads of these contents, and remove the earlier loads of the same contents with their rows."""
    earlier = "from raw.loads where table_name = ? and source = ? and list_contains(?, content_hash)"
    key = [rule.table.name, rule.name, contents]
    con.execute(f"delete from raw.{rule.table.raw}_rows where load_id in (select load_id {earlier})", key)
    con.execute(f"delete {earlier}", key)
    names = [field.name for field in fields(Load)]
    values = ", ".join(f"unnest(?) as {name}" for name in names)
    con.execute(
        "insert into raw.loads by name select ? as table_name, ? as source, ? as loaded_at,"
        f" {_THIS_REFRESH} as refresh_id, unnest(?) as content_hash, {values}",
        [rule.table.name, rule.name, now(), contents, *([getattr(load, name) for load in loads] for name in names)],
    )


def register(con: duckdb.DuckDBPyConnection, deliveries: list[Delivery], load_ids: dict[Place, str]) -> None:
    """Enter every path with its content, which is the path's current one now.
    `load_ids` by table, source and content."""
    [(seen,)] = con.execute("select coalesce(max(seen_order), 0) from raw.files").fetchall()
    rows = [
        (
            one.table,
            one.source,
            one.file,
            file_order(one.file),
            one.content_hash,
            load_ids[one.table, one.source, one.content_hash],
            seen + number,
        )
        for number, one in enumerate(deliveries, 1)
    ]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[]] * 7
    con.execute(
        "create or replace temp table found as select unnest(?::varchar[]) as table_name,"
        " unnest(?::varchar[]) as source,"
        " unnest(?::varchar[]) as file, unnest(?::varchar[]) as file_order, unnest(?::varchar[]) as content_hash,"
        " unnest(?::varchar[]) as load_id, unnest(?::bigint[]) as seen_order",
        columns,
    )
    same_source = "files.table_name = found.table_name and files.source = found.source"
    same_path = f"{same_source} and files.file = found.file"
    is_back = "files.content_hash = found.content_hash and not files.is_current"
    con.execute(
        "update raw.files set is_current = files.content_hash = found.content_hash,"
        f" loaded_at = if({is_back}, ?, files.loaded_at),"
        f" refresh_id = if({is_back}, {_THIS_REFRESH}, files.refresh_id)"
        f" from found where {same_path}",
        [now()],
    )
    con.execute(
        f"insert into raw.files by name select found.*, true as is_current, ? as loaded_at,"
        f" {_THIS_REFRESH} as refresh_id from found"
        f" where not exists (select 1 from raw.files where {same_path} and files.content_hash = found.content_hash)"
        " order by seen_order",
        [now()],
    )
    con.execute(
        "update raw.files set load_id = found.load_id from found"
        f" where {same_source} and files.content_hash = found.content_hash"
    )
    con.execute(f"update raw.files set is_present = exists (select 1 from found where {same_path})")
    con.execute("drop table found")


def restored(con: duckdb.DuckDBPyConnection, deliveries: list[Delivery]) -> list[tuple[str, str, str]]:
    """Path, table and source of what holds an earlier content again since the last load: before `register`."""
    contents = [f"{one.table} {one.source} {one.file} {one.content_hash}" for one in deliveries]
    return con.execute(
        "select file, table_name, source from raw.files"
        " where not is_current and list_contains(?, concat_ws(' ', table_name, source, file, content_hash))"
        " order by all",
        [contents],
    ).fetchall()


def take_back(con: duckdb.DuckDBPyConnection, deliveries: list[Delivery]) -> list[tuple[str, str]]:
    """Forget the paths that a corrected mapping now gives to other sources only, with the rows that no other path
    delivers. Returns path and former table."""
    present = sorted({one.file for one in deliveries} | {one.file.partition("#")[0] for one in deliveries})
    given = [f"{one.table} {one.source} {one.file}" for one in deliveries]
    moved = con.execute(
        "delete from raw.files where list_contains(?, split_part(file, '#', 1))"
        " and not list_contains(?, concat_ws(' ', table_name, source, file)) returning file, table_name",
        [present, given],
    ).fetchall()
    for table_name in {table_name for _, table_name in moved}:
        left = (
            "not exists (select 1 from raw.files where files.load_id = loads.load_id"
            " and files.table_name = loads.table_name and files.source = loads.source)"
        )
        gone = con.execute(
            f"delete from raw.loads where table_name = ? and {left} returning load_id", [table_name]
        ).fetchall()
        con.execute(
            f"delete from raw.{contract()[table_name].raw}_rows where list_contains(?, load_id)",
            [[load_id for (load_id,) in gone]],
        )
    now_given = {(one.file, one.table) for one in deliveries}
    return sorted(set(moved) - now_given)


def settle(con: duckdb.DuckDBPyConnection, mapping: Mapping) -> None:
    """Work out the place of each load from the paths that deliver it.

    file, file_order: its smallest path, of those whose current content it is if there are any; is_current: there are;
    in_force: of a source of snapshots, only the content of the newest one, and every content of a list with history;
    load_number: which delivery of its table it is, in the order of files, contents and sources."""
    rules = {(rule.table.name, rule.name): rule for rule in mapping.rules()}
    latest, snapshots = today(mapping.time_zone).isoformat(), []
    sheets = con.execute("select split_part(file, '#', 1) from raw.files where is_present and file ilike '%.xlsx#%'")
    workbooks = {file for (file,) in sheets.fetchall()}
    for table, source, file in con.execute("select distinct table_name, source, file from raw.files").fetchall():
        rule = rules.get((table, source))
        if rule and (snapshot := snapshot_of(rule, file.partition("#")[0])) is not None:
            is_day = rule.snapshot not in (None, "all", "folder")
            order = snapshot if is_day else file_order(snapshot)
            # a pull that is dated after today: once its folder is gone it must not stay ahead of all later ones
            is_ahead = is_day and file.startswith(f"{FOLDER}/") and snapshot > latest
            # counts only while it is there; a sheet, while its workbook has it
            is_whole = rule.snapshot == "all" or is_ahead or file.partition("#")[0] in workbooks
            snapshots.append((table, source, file, order, is_whole, snapshot if is_day else None))
    columns = [list(column) for column in zip(*snapshots, strict=True)] or [[]] * 6
    con.execute(
        "create or replace temp table snapshot_files as select unnest(?::varchar[]) as table_name,"
        " unnest(?::varchar[]) as source, unnest(?::varchar[]) as file, unnest(?::varchar[]) as snapshot_order,"
        " unnest(?::boolean[]) as is_whole_folder, unnest(?::varchar[])::date as snapshot_on",
        columns,
    )
    declared = [(*key, _status_means(rule), rule.history) for key, rule in rules.items()]
    columns = [list(column) for column in zip(*declared, strict=True)] or [[]] * 4
    con.execute(
        "create or replace temp table declared as select unnest(?::varchar[]) as table_name,"
        " unnest(?::varchar[]) as source,"
        " unnest(?::varchar[]) as status_means, unnest(?::boolean[]) as is_history",
        columns,
    )
    con.execute("update raw.loads set status_means = null, is_history = false")
    con.execute(
        "update raw.loads set status_means = declared.status_means, is_history = declared.is_history from declared"
        " where loads.table_name = declared.table_name and loads.source = declared.source"
    )
    con.execute(
        """
        delete from raw.snapshots
        where exists (select 1 from snapshot_files where snapshot_files.table_name = snapshots.table_name
            and snapshot_files.source = snapshots.source and snapshot_on is not null);
        insert into raw.snapshots by name
        select distinct table_name, source, content_hash, snapshot_on
        from raw.files
        inner join snapshot_files using (table_name, source, file)
        inner join declared using (table_name, source)
        where is_current and is_history and snapshot_on is not null and (is_present or not is_whole_folder)
        """
    )
    con.execute(
        """
        create or replace temp table places as
            select load_id, arg_min(file, (not is_current, file_order)) as file,
                arg_min(file_order, (not is_current, file_order)) as file_order,
                bool_or(is_current) as is_current, bool_or(newest) as is_newest
            from (
                select files.*, snapshot_order is null or (
                    is_taken
                    and snapshot_order = max(snapshot_order) filter (is_taken) over (partition by table_name, source)
                ) as newest
                from (
                    -- dated snapshots come in the order of their days, whatever their folders are called
                    select files.* replace (coalesce(snapshot_on::varchar || ' ', '') || file_order as file_order),
                        snapshot_order, is_current and (is_present or not is_whole_folder) as is_taken
                    from raw.files as files
                    left join snapshot_files using (table_name, source, file)
                ) as files
            )
            group by load_id;
        update raw.loads set file = places.file, file_order = places.file_order, is_current = places.is_current,
            in_force = places.is_newest or loads.is_history
        from places
        where loads.load_id = places.load_id;
        update raw.loads set load_number = numbered.load_number
        from (
            select load_id,
                row_number() over (partition by table_name order by file_order, load_order, source) as load_number
            from raw.loads
        ) as numbered
        where loads.load_id = numbered.load_id
        """
    )


def _status_means(rule: SourceRule) -> str | None:
    """What the status of the source's rows means; of a list with history only whether it states its ends (now)."""
    if rule.history:
        return "now" if rule.dated else None
    return rule.status_means


def date_loads(con: duckdb.DuckDBPyConnection, as_of: date) -> None:
    """Note for which day the contents were first loaded, and, of lists with history whose paths hold no day,
    that today's snapshot is of this day."""
    con.execute("update raw.loads set seen_as_of = ? where seen_as_of is null", [as_of])
    undated = """
        from raw.loads
        where is_history and not exists (
            select 1 from snapshot_files where snapshot_files.table_name = loads.table_name
                and snapshot_files.source = loads.source and snapshot_on is not null
        )
    """
    con.execute(
        "delete from raw.snapshots where snapshot_on = ?"
        f" and (table_name, source) in (select (table_name, source) {undated})",
        [as_of],
    )
    con.execute(
        f"insert into raw.snapshots by name select table_name, source, content_hash, ? as snapshot_on {undated}"
        " and load_id in (select load_id from places where is_newest)",
        [as_of],
    )
