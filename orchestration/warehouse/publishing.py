"""Publishing: a new version is written beside, audited, closed and synced; then one rename makes it the current one.

A version is a folder of published/, which the link `current` names; every path that readers use leads through that
link. The folder is hidden (`.<refresh id>`) while it is written, and holds a mark until it has been current.
Whatever a killed process left is settled by `reconcile`: a version that was committed is completed, any other removed.
"""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from orchestration.errors import Refused, UserError
from orchestration.warehouse.folder import JOURNALS, PUBLISHED, Warehouse, is_refresh_id, now
from orchestration.warehouse.quoting import identifier, quote

KEPT_VERSIONS = 5
LINKED = ("churn.duckdb", "private.duckdb", "exports", "docs", "report")
# In a version's folder: that it has not been current yet; and the version that was when it was published.
UNCOMMITTED, BEFORE = "uncommitted", "before"
# What drivers built on DuckDB 1.0 and later read.
STORAGE_VERSION = "v1.0.0"
_GRAIN_VIEWS = {"month": "monthly", "quarter": "quarterly", "year": "yearly"}


@dataclass(frozen=True)
class Relation:
    """A table to publish, or a view if it has `sql`;
    `key` orders a table's rows, `columns` describes its columns by name."""

    schema: str
    name: str
    private: bool = False
    key: tuple[str, ...] = ()
    description: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    sql: str = ""

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


def relations(manifest: Mapping[str, Any]) -> list[Relation]:
    """The published tables and views among the project's models."""
    models = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    published = []
    for model in sorted(models, key=lambda model: (model["schema"], model["alias"])):
        meta, columns = model["config"]["meta"], model["columns"].values()
        personal = meta.get("personal") or any(column["config"]["meta"].get("personal") for column in columns)
        if model["schema"] in ("marts", "quality", "restricted", "semantic"):
            published.append(
                Relation(
                    model["schema"],
                    model["alias"],
                    private=model["schema"] == "restricted" or bool(personal),
                    sql=model["compiled_code"] if model["schema"] == "semantic" else "",
                    key=tuple(meta.get("primary_key", ())),
                    description=model["description"],
                    columns={column["name"]: column["description"] for column in columns},
                )
            )
    return published


def journals() -> list[Relation]:
    """The published tables that the refresh itself keeps."""
    return [
        Relation(
            "quality",
            journal.name,
            False,
            journal.key,
            journal.description,
            {name: text for name, (_, text) in journal.columns.items()},
        )
        for journal in JOURNALS
    ]


def audit(
    con: duckdb.DuckDBPyConnection,
    refresh_id: str,
    declared: Collection[tuple[str, str]],
    found: Mapping[tuple[str, str], str] | None = None,
) -> None:
    """Refuse unless every declared check (name, table) of this very refresh has a result, no critical one failed and
    none crashed. `found` is what failed checks found, where they can state it."""
    found = found or {}
    results = con.execute(
        "select check_name, table_name, severity, status, failed_count from quality.check_results where refresh_id = ?",
        [refresh_id],
    ).fetchall()
    broken = [
        f"{name} on {table} "
        + ("could not be evaluated" if status == "error" else f"({failed:,} of its rows or groups failed)")
        + (f": {found[name, table]}" if (name, table) in found else "")
        for name, table, severity, status, failed in results
        if status == "error" or (severity == "critical" and status == "failed")
    ]
    missing = sorted(set(declared) - {(name, table) for name, table, *_ in results})
    broken += [f"{name} on {table} was not run" for name, table in missing]
    if broken:
        raise Refused(
            (
                f"Not published, {len(broken)} check{'s' if len(broken) > 1 else ''}"
                f" forbid{'' if len(broken) > 1 else 's'} it; readers keep the last version.\n"
            )
            + "\n".join(f"  - {line}" for line in broken[:20])
            + ("\n  - …" if len(broken) > 20 else "")
        )


def publish(
    warehouse: Warehouse,
    refresh_id: str,
    published: list[Relation],
    declared: Collection[tuple[str, str]],
    docs: Path,
) -> dict[str, int]:
    """Audit this refresh, write its version and make it the current one. `docs` is the folder of the project's
    documentation page. Returns the row count of each published table."""
    folder = warehouse.published / f".{refresh_id}"
    with warehouse.connect() as con:
        audit(con, refresh_id, declared)
        (folder / "exports").mkdir(parents=True)
        (folder / UNCOMMITTED).touch()
        if current := current_version(warehouse):
            (folder / BEFORE).write_text(current, encoding="utf-8")
        with _attached(con, folder / "churn.duckdb"):
            counts = {
                str(relation): _copy(con, relation)
                for relation in published
                if not relation.private and not relation.sql
            }
            con.execute(
                "update published.quality.refresh_history set status = ?, finished_at = ? where refresh_id = ?",
                [PUBLISHED, now(), refresh_id],
            )
            for relation in published:
                if relation.schema == "marts" and not relation.private:
                    _create_grain_views(con, relation)
                    file = folder / "exports" / f"{relation.name}.parquet"
                    con.execute(f"copy published.{relation} to {quote(file)} (format parquet, compression zstd)")
                elif relation.sql:
                    _create_view(con, relation)
        with _attached(con, folder / "private.duckdb"):
            counts |= {str(relation): _copy(con, relation) for relation in published if relation.private}
    if warehouse.data_docs.is_dir():
        shutil.copytree(warehouse.data_docs, folder / "data_docs")
    shutil.copytree(docs, folder / "docs")
    open_to_readers(warehouse, folder)
    warehouse.published.chmod(0o777 & ~warehouse.umask)
    sync(*folder.rglob("*"), folder)
    folder.rename(warehouse.published / refresh_id)
    sync(warehouse.published)
    _commit(warehouse, refresh_id)
    reconcile(warehouse)
    _prune(warehouse)
    return counts


def reconcile(warehouse: Warehouse) -> None:
    """Complete the current version, and remove every other one that was not committed."""
    current = current_version(warehouse)
    for folder in warehouse.published.glob("*"):
        if folder.name == current:
            (folder / UNCOMMITTED).unlink(missing_ok=True)
        elif folder.name.startswith(".") or (folder / UNCOMMITTED).exists():
            _remove(folder)
    if current and not is_linked(warehouse):
        _commit(warehouse, current)  # a warehouse of an earlier version, or a copy that followed the links


def current_version(warehouse: Warehouse) -> str | None:
    """The refresh id of the version that readers see; None when nothing is published."""
    if warehouse.link.is_symlink():
        version = warehouse.link.readlink().name
        return version if (warehouse.published / version).is_dir() else None
    return next(
        (
            version
            for version in versions(warehouse)
            if _same_content(warehouse.published / version / "churn.duckdb", warehouse.current)
        ),
        None,
    )


def versions(warehouse: Warehouse) -> list[str]:
    """The refresh ids of the versions kept, the oldest first."""
    return sorted(folder.name for folder in warehouse.published.glob("[!.]*") if not (folder / UNCOMMITTED).exists())


def newest_id(warehouse: Warehouse) -> str:
    """The greatest refresh id among the versions kept, complete or not; empty when there is none."""
    names = [folder.name.removeprefix(".") for folder in warehouse.published.glob("*")]
    return max(filter(is_refresh_id, names), default="")


def rollback(warehouse: Warehouse) -> tuple[str, str]:
    """Make the version that was current before the current one was published current again.
    Returns both refresh ids, the one left first."""
    with warehouse.locked():
        reconcile(warehouse)
        current = current_version(warehouse)
        if current is None:
            raise UserError(f"Nothing is published in {warehouse.folder}: there is no version to go back to.")
        before = _before(warehouse, current)
        if before is None:
            raise UserError(
                f"{current} is the oldest version kept in {warehouse.published}: there is none before it."
                " Nothing was changed."
            )
        _commit(warehouse, before)
        return current, before


def _before(warehouse: Warehouse, version: str) -> str | None:
    """The version that was current when this one was published, if it is kept."""
    known = versions(warehouse)
    named = warehouse.published / version / BEFORE
    if named.exists():
        before = named.read_text(encoding="utf-8")
        return before if before in known else None
    return max((other for other in known if other < version), default=None)  # published by an earlier version of ours


@contextmanager
def _attached(con: duckdb.DuckDBPyConnection, file: Path) -> Iterator[None]:
    con.execute(f"attach {quote(file)} as published (storage_version '{STORAGE_VERSION}')")
    try:
        con.execute("begin")  # or each of a thousand comments would be brought to the disk by itself
        try:
            yield
            con.execute("commit")
        except BaseException:
            con.execute("rollback")
            raise
        con.execute("checkpoint published")
    finally:
        con.execute("detach published")


def _copy(con: duckdb.DuckDBPyConnection, relation: Relation) -> int:
    """Copy a table in the order of its key, so that equal refreshes give equal files, with its descriptions.
    Returns its row count."""
    order = ", ".join(map(identifier, relation.key)) or "all"
    con.execute(f"create schema if not exists published.{relation.schema}")
    [(rows,)] = con.execute(
        f"create table published.{relation} as select * from {relation} order by {order}"
    ).fetchall()
    _describe(con, relation)
    return rows


def _create_view(con: duckdb.DuckDBPyConnection, relation: Relation) -> None:
    """A view over published tables, with its descriptions."""
    con.execute("use published")
    con.execute(f"create schema if not exists {relation.schema}")
    con.execute(f"create view {relation} as {relation.sql}")
    con.execute("use build")
    _describe(con, relation)


def _describe(con: duckdb.DuckDBPyConnection, relation: Relation) -> None:
    con.execute(
        f"comment on {'view' if relation.sql else 'table'} published.{relation} is {quote(relation.description)}"
    )
    for column, text in relation.columns.items():
        con.execute(f"comment on column published.{relation}.{identifier(column)} is {quote(text)}")


def _create_grain_views(con: duckdb.DuckDBPyConnection, relation: Relation) -> None:
    """One view a grain of a stacked mart: a plain SUM over the mart itself counts every grain and segment again."""
    columns = {row[0] for row in con.execute(f"describe published.{relation}").fetchall()}
    for grain_column in {"period_grain", "cohort_grain"} & columns:
        whole_company = "and segment_type = 'all'" if "segment_type" in columns else ""
        # Named without the database: the file may be opened under any name.
        con.execute("use published")
        for grain, suffix in _GRAIN_VIEWS.items():
            view = f"{relation}_{suffix}"
            con.execute(
                f"create view {view} as select * from {relation} where {grain_column} = '{grain}' {whole_company}"
            )
            con.execute(
                f"comment on view {view} is '{relation.name} by {grain}{', whole company' if whole_company else ''}.'"
            )
        con.execute("use build")


def open_to_readers(warehouse: Warehouse, folder: Path) -> None:
    """Give readers what the umask of the person allows; the private file stays the owner's. Nobody may write to a file:
    what a reader wrote would be replayed by DuckDB for the next one."""
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o777 & ~warehouse.umask)
        else:
            path.chmod(0o400 if path.name == "private.duckdb" else 0o444 & ~warehouse.umask)


def _commit(warehouse: Warehouse, version: str) -> None:
    """Make a version the current one by one rename: readers see the old version or the new one, at every path."""
    for name in LINKED:
        if not os.path.lexists(warehouse.folder / name):
            _link(warehouse.folder / name, Path(warehouse.link.name) / name)
    # Somebody who opened the old file for writing may have left changes that DuckDB would replay into the new one.
    warehouse.current.with_name("churn.duckdb.wal").unlink(missing_ok=True)
    _link(warehouse.link, Path("published") / version)
    for name in LINKED:
        _link(warehouse.folder / name, Path(warehouse.link.name) / name)
    sync(warehouse.folder)


def is_linked(warehouse: Warehouse) -> bool:
    """Whether each published path leads through `current`."""
    return warehouse.link.is_symlink() and all(
        (link := warehouse.folder / name).is_symlink() and link.readlink() == Path(warehouse.link.name) / name
        for name in LINKED
    )


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    new = link.with_name(f".{link.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    if link.is_dir() and not link.is_symlink():
        _remove(link)
    os.replace(new, link)


def _prune(warehouse: Warehouse) -> None:
    """Keep the current version and those that rollback would go to, up to five, and fill up with the newest others."""
    kept: list[str] = []
    version = current_version(warehouse)
    while version and version not in kept and len(kept) < KEPT_VERSIONS:
        kept.append(version)
        version = _before(warehouse, version)
    others = [version for version in reversed(versions(warehouse)) if version not in kept]
    for version in others[KEPT_VERSIONS - len(kept) :]:
        _remove(warehouse.published / version)


def _remove(folder: Path) -> None:
    """Remove a folder that nobody takes for a version meanwhile, if the process is killed on the way."""
    hidden = folder.with_name(f".{folder.name.removeprefix('.')}")
    if folder != hidden:
        shutil.rmtree(hidden, ignore_errors=True)
        folder.rename(hidden)
    shutil.rmtree(hidden)


def _same_content(version: Path, current: Path) -> bool:
    return version.is_file() and current.is_file() and filecmp.cmp(version, current, shallow=False)


def sync(*paths: Path) -> None:
    """Bring files and folders to the disk."""
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
