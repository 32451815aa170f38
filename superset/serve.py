"""Superset on a published warehouse: set up what is missing, import the bundle, serve on 127.0.0.1.

Run by the Python of `.venv-superset`: `serve.py WAREHOUSE PORT [DATABASE]`. The charts read churn.duckdb, or the marts
in DATABASE, a Postgres to which refreshes publish too. Superset's own state lies in WAREHOUSE/superset, whose files
only their owner may read. The bundle is imported at every start, so its charts are always those of this version;
whatever people save under another name stays.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parent
# A worker answers one request at a time, so nothing in its process still holds the version before when it opens the
# file: the query after a publish reads the new version.
WORKERS = 4
# Whatever rights the user has: SQL Lab and charts read.
READ_ONLY = "options=-c%20default_transaction_read_only%3Don"


def main(warehouse: Path, port: int, database: str = "") -> None:
    published = warehouse / "churn.duckdb"
    _refuse_taken(port)
    if database:
        _refuse_address(database)
    home = warehouse / "superset"
    os.umask(0o077)
    home.mkdir(exist_ok=True)
    os.environ |= {"SUPERSET_HOME": str(home), "SUPERSET_CONFIG_PATH": str(HERE / "superset_config.py")}
    _secret(home / "secret_key")
    print("Superset: setting up (a minute the first time) …", flush=True)
    with (home / "set_up.log").open("w", encoding="utf-8") as log:
        set_up = [sys.executable, __file__, "--set-up", str(published), database]
        if subprocess.run(set_up, stdout=log, stderr=log).returncode:
            sys.exit(f"make superset: setting up failed, {log.name} says how. Nothing of the warehouse was changed.")
    print(
        f"Superset: http://127.0.0.1:{port}/superset/dashboard/churn/   user admin,"
        f" password in {home / 'admin_password'}   Ctrl-C ends it",
        flush=True,
    )
    gunicorn = [
        "gunicorn",
        "--bind",
        f"127.0.0.1:{port}",
        "--workers",
        str(WORKERS),
        "--worker-class",
        "sync",
        "--preload",
        "--timeout",
        "120",
    ]
    os.execv(sys.executable, [sys.executable, "-m", *gunicorn, "--log-level", "warning", "superset.app:create_app()"])


def _refuse_address(database: str) -> None:
    try:
        parts = urlsplit(database)
        is_address = parts.scheme == "postgresql" and bool(parts.hostname and parts.path.strip("/"))
    except ValueError:
        is_address = False
    if not is_address or parts.password:
        sys.exit(
            "make superset: DATABASE must be an address without a password, such as"
            " postgresql://reader@db.example.com/analytics. Keep the password in PGPASSWORD or ~/.pgpass."
        )


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            sys.exit(
                f"make superset: 127.0.0.1:{port} can't be had ({error.strerror})."
                f" Choose another: `make superset PORT={port + 1}`."
            )


def _secret(file: Path) -> tuple[str, bool]:
    """The secret of this file, made when it is missing, and whether it is new."""
    if file.exists():
        return file.read_text(encoding="ascii"), False
    secret = secrets.token_urlsafe(32)
    file.write_text(secret, encoding="ascii")
    return secret, True


def _set_up(published: Path, database: str) -> None:
    """Bring Superset's own database up to date, with the admin and the bundle."""
    import flask_migrate
    from superset.app import create_app

    app = create_app()
    with app.app_context():
        from superset.utils.core import override_user

        from superset import appbuilder, db, security_manager

        flask_migrate.upgrade()
        appbuilder.add_permissions(update_perms=True)
        security_manager.sync_role_definitions()
        db.session.commit()

        password, is_new = _secret(Path(os.environ["SUPERSET_HOME"], "admin_password"))
        admin = security_manager.find_user("admin")
        if admin is None:
            admin = security_manager.add_user(
                "admin", "Superset", "Admin", "admin@localhost", security_manager.find_role("Admin"), password
            )
        elif is_new:
            security_manager.reset_password(admin.id, password)
        with override_user(admin):
            _import_bundle(published, database)


def _import_bundle(published: Path, database: str) -> None:
    import yaml
    from superset.commands.importers.v1.assets import ImportAssetsCommand
    from superset.connectors.sqla.models import SqlaTable

    from superset import db

    bundle = HERE / "bundle"
    contents = {
        file.relative_to(bundle).as_posix(): file.read_text(encoding="utf-8") for file in sorted(bundle.rglob("*.yaml"))
    }
    connection = yaml.safe_load(contents["databases/churn.yaml"])
    connection["sqlalchemy_uri"] = (
        f"{database}{'&' if '?' in database else '?'}{READ_ONLY}"
        if database
        else connection["sqlalchemy_uri"].replace("/churn.duckdb", str(published))
    )
    contents["databases/churn.yaml"] = yaml.safe_dump(connection)
    ImportAssetsCommand(contents).run()

    # Columns and what they mean stand in the models; the bundle names only those that need more than that.
    ours = {yaml.safe_load(text)["uuid"] for name, text in contents.items() if name.startswith("datasets/")}
    for dataset in db.session.query(SqlaTable).all():
        if str(dataset.uuid) in ours:
            dataset.fetch_metadata()
            _describe(dataset, published)
    db.session.commit()


def _describe(dataset, published: Path) -> None:
    """Give the columns of a view the descriptions of its mart."""
    import duckdb

    with duckdb.connect(str(published), read_only=True) as con:
        comments = dict(
            con.execute(
                "select column_name, comment from duckdb_columns() where schema_name = ? and table_name = ?",
                [dataset.schema, dataset.table_name.removesuffix("_monthly").removesuffix("_by_segment")],
            ).fetchall()
        )
    for column in dataset.columns:
        column.description = column.description or comments.get(column.column_name)


if __name__ == "__main__":
    if sys.argv[1] == "--set-up":
        _set_up(Path(sys.argv[2]), sys.argv[3])
    else:
        main(Path(sys.argv[1]).resolve(), int(sys.argv[2]), *sys.argv[3:])
