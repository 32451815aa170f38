"""The command line. Messages go to stderr, results to stdout; the exit code says whose turn it is (see `errors`).

dbt, Dagster and Great Expectations take seconds to import, so each command imports what it needs when it runs.
"""

from __future__ import annotations

import functools
import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestration.engines import SETTINGS
from orchestration.errors import INTERRUPTED, Busy, ChurnError, EnvironmentFailure, Refused, UserError
from orchestration.readers import mailing_list, reasons, workbook
from orchestration.readers.report import command as report
from orchestration.warehouse.options import (
    FOLDER,
    demo_warehouse,
    existing_warehouse,
    made_warehouse,
    refreshed_warehouse,
)
from orchestration.warehouse.scratch import scratch_folder

if TYPE_CHECKING:
    from orchestration.refresh.progress import Progress
    from orchestration.refresh.session import Refresh

DEMO_AS_OF = "2025-12-31"

_extracts = click.option("--extracts", type=FOLDER, required=True, help="Folder of extracts.")
_as_of = click.option(
    "--as-of",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Last day that the extracts cover; default: the newest day in the extracts, at most yesterday.",
)
_policies = click.option(
    "--policy", "policies", multiple=True, metavar="NAME=VALUE", help="Set a policy; wins over extracts.yml."
)
_engine = [
    click.option(
        "--engine",
        type=click.Choice(["duckdb", "spark"]),
        envvar="CHURN_ENGINE",
        help="What runs the models; default: what the warehouse had before, at first duckdb.",
    ),
    click.option("--spark-url", metavar="thrift://HOST:PORT", envvar="CHURN_SPARK_URL", help="Spark's Thrift server."),
    click.option(
        "--spark-storage",
        type=click.Path(file_okay=False),
        envvar="CHURN_SPARK_STORAGE",
        help="Folder that the whole cluster sees under this path.",
    ),
    click.option(
        "--spark-prefix",
        metavar="PREFIX",
        envvar="CHURN_SPARK_PREFIX",
        help="What the names of our databases on Spark begin with; default: churn_.",
    ),
]


def _with_engine(command: Callable[..., None]) -> Callable[..., None]:
    """The options of the engine, which the command gets as one dict, `engine`."""

    @functools.wraps(command)
    def run(*args: Any, **options: Any) -> None:
        command(*args, engine={name: options.pop(name) for name in SETTINGS}, **options)

    for option in reversed(_engine):
        run = option(run)
    return run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="churn-warehouse", prog_name="churn")
def cli() -> None:
    """Churn, retention and lost revenue from CRM and billing extracts."""


cli.add_command(mailing_list.command)
cli.add_command(reasons.command)
cli.add_command(report.command)
cli.add_command(workbook.command)


@cli.command()
@_extracts
@made_warehouse
@_as_of
@_policies
@click.option(
    "--full-refresh", is_flag=True, help="Rebuild everything after raw, and read the files still present again."
)
@click.option("--profile", is_flag=True, help="Show what each stage and each table took: time, rows and memory.")
@click.option(
    "--quiet", is_flag=True, help="Print nothing on success, and on a failure nothing that was in the extracts."
)
@click.option("--json", "as_json", is_flag=True, help="Print what refresh.json says, in place of the result.")
@click.option(
    "--publish-to",
    metavar="ADDRESS",
    envvar="CHURN_PUBLISH_TO",
    help="Database that gets the marts and quality tables too: postgresql://…; untested: snowflake://…, bigquery://…,"
    " mssql://…, motherduck:///…. Default: what settings.yml says.",
)
@_with_engine
def refresh(
    extracts: Path,
    warehouse: Path,
    as_of: datetime | None,
    policies: tuple[str, ...],
    full_refresh: bool,
    profile: bool,
    quiet: bool,
    as_json: bool,
    publish_to: str | None,
    engine: Mapping[str, str | None],
) -> None:
    """Load, build, check and publish."""
    from orchestration.refresh.outcome import withheld
    from orchestration.refresh.progress import Progress

    progress = Progress(quiet)
    try:
        current = _refresh(extracts, warehouse, progress, as_of, policies, full_refresh, engine, publish_to)
    except UserError as error:
        if quiet:
            raise withheld(error, progress.outcome) from None
        raise
    finally:
        if progress.outcome:  # it has begun
            _send_alerts(extracts, warehouse)
            if as_json:
                click.echo(progress.outcome, nl=False)
    if not (quiet or as_json):
        _print_result(current, profile)


def _send_alerts(extracts: Path, warehouse: Path) -> None:
    """Tell people of the refresh; who can't be told changes nothing about it."""
    from orchestration.readers.alerts.sending import send_due

    try:
        send_due(extracts, warehouse)
    except ChurnError as failure:
        _tell(str(failure))
    except Exception as error:
        from orchestration.refresh.session import reason

        _tell(f"No alerts were sent: {reason(error)}.")


@cli.command()
@_extracts
@existing_warehouse
def alert(extracts: Path, warehouse: Path) -> None:
    """Notify people of what is new since the last alert: a failure, stale extracts, numbers that are not plausible."""
    from orchestration.readers.alerts.sending import VARIABLE, recipients, send_due

    if not recipients():
        raise UserError(f"{VARIABLE} names nobody to notify. Set it to the URLs of e-mail, chats or webhooks.")
    for title in send_due(extracts, warehouse):
        click.echo(title)


@cli.command()
@_extracts
@_as_of
@_policies
def check(extracts: Path, as_of: datetime | None, policies: tuple[str, ...]) -> None:
    """Read and validate everything, show what a refresh would make of it and what it would doubt; publish nothing."""
    from orchestration.refresh import steps
    from orchestration.refresh.checking import findings
    from orchestration.refresh.progress import Progress
    from orchestration.refresh.session import refreshing

    with (
        scratch_folder() as scratch,
        _showing(scratch / "refresh.log"),
        refreshing(extracts, scratch, Progress(), as_of and as_of.date(), policies) as current,
    ):
        report = steps.load(current)
        steps.build(current, "raw")
        for line in findings(current, report):
            click.echo(line)
        steps.judge(current, "raw")
        try:
            steps.refuse_failed(current)
        except Refused as refusal:
            raise UserError(f"A refresh would refuse these extracts.\n{refusal}") from None


@cli.command()
@_extracts
@click.option("--source", "names", multiple=True, metavar="NAME", help="Pull this source only; may be repeated.")
@refreshed_warehouse
@click.option(
    "--quiet", is_flag=True, help="Print nothing on success, and on a failure nothing that stands in extracts.yml."
)
def pull(extracts: Path, names: tuple[str, ...], warehouse: Path | None, quiet: bool) -> None:
    """Fetch what the sources under pull: in extracts.yml hold today, as files in the extracts folder."""
    noted: list[str] = []
    try:
        with _noting_in(warehouse, extracts, noted) if warehouse else nullcontext():
            _pull(extracts, names, quiet)
    except UserError as error:
        if not quiet:
            raise
        from orchestration.refresh.outcome import withheld

        raise withheld(error, noted[0] if noted else None) from None


@contextmanager
def _noting_in(warehouse: Path, extracts: Path, noted: list[str]) -> Iterator[None]:
    """A failure within is one of the refresh that was to follow, in refresh.json, whose text is added to `noted`, and
    for alerts."""
    from orchestration.refresh.progress import Progress
    from orchestration.refresh.session import noting_what_forbids_it
    from orchestration.warehouse.folder import now

    progress = Progress(quiet=True)
    try:
        with noting_what_forbids_it(warehouse, now(), progress, (UserError, EnvironmentFailure)):
            yield
    finally:
        if progress.outcome:  # it has failed
            noted.append(progress.outcome)
            _send_alerts(extracts, warehouse)


def _pull(extracts: Path, names: tuple[str, ...], quiet: bool) -> None:
    """Pull one source after the other; the failures of all are raised together."""
    import signal

    from orchestration.contract.mapping import load_mapping
    from orchestration.pulling import pull_source, sources_to_pull

    mapping = load_mapping(extracts)
    failures: list[ChurnError] = []
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with _noting("Only what was pulled whole is kept.", lambda: True):
        for source in sources_to_pull(mapping, names):
            try:
                pulled = pull_source(extracts, mapping, source, lambda text: None if quiet else _tell(f"  {text}"))
            except ChurnError as failure:
                failures.append(failure)  # the other sources don't wait for it
                continue
            held = ", ".join(f"{count:,} {name}" for name, count in pulled.counts.items())
            if not quiet:
                click.echo(f"{source.name}: {held}, in {pulled.folder} ({pulled.seconds:.1f} s)")
    if failures:
        raise type(failures[0])("\n".join(map(str, failures)))


@cli.command()
@_extracts
@click.pass_context
def init(context: click.Context, extracts: Path) -> None:
    """Write a first extracts.yml for the files of a folder, from what is in them, and say what `check` says to it."""
    from orchestration.contract.mapping import FILE_NAME
    from orchestration.loading.proposal import propose

    if not extracts.is_dir():
        raise UserError(f"There is no folder {extracts}. Name the folder that holds the extracts with --extracts.")
    mapping = extracts / FILE_NAME
    if mapping.exists() or mapping.with_suffix(".yaml").exists():
        raise UserError(f"{mapping} is there already and was left as it is. Move it away to have another one proposed.")
    with scratch_folder() as scratch:
        text = propose(extracts, scratch)
    with mapping.open("x", encoding="utf-8") as file:
        file.write(text)
    click.echo(f"{mapping} was written:\n\n{text}\nWhat churn check says to it:\n")
    context.invoke(check, extracts=extracts, as_of=None, policies=())


@cli.command()
@click.option("--extracts", type=FOLDER, default="demo/extracts", show_default=True)
@demo_warehouse
@_with_engine
def demo(extracts: Path, warehouse: Path, engine: Mapping[str, str | None]) -> None:
    """Write the demo company's extracts and refresh from them."""
    from orchestration.demo import write_extracts
    from orchestration.refresh.progress import Progress

    click.echo(f"Writing the demo company's extracts to {extracts}", err=True)
    write_extracts(extracts)
    _print_result(_refresh(extracts, warehouse, Progress(), datetime.fromisoformat(DEMO_AS_OF), engine=engine))


@cli.command()
@existing_warehouse
def rollback(warehouse: Path) -> None:
    """Publish the version before the current one again."""
    from orchestration.warehouse import publishing
    from orchestration.warehouse.folder import Warehouse

    place = Warehouse(warehouse)
    before = publishing.current_version(place)
    with _noting("The version before is published.", lambda: publishing.current_version(place) != before):
        left, current = publishing.rollback(place)
        click.echo(
            f"{warehouse / 'churn.duckdb'} is the version {current} again, with its exports and private.duckdb. "
            f"{left} stays in {warehouse / 'published' / left}; the next refresh publishes a new version."
        )


@cli.command()
@click.option(
    "--extracts",
    type=FOLDER,
    default="demo/extracts",
    show_default=True,
    help="What the schedule and the sensor refresh from.",
)
@demo_warehouse
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True)
def ui(extracts: Path, warehouse: Path, port: int) -> None:
    """Serve Dagster's web UI, with the schedule and the sensor, on 127.0.0.1."""
    from orchestration.defs.run_history import fail_left_runs, run_history
    from orchestration.defs.web_ui import serve
    from orchestration.readers.alerts.sending import recipients
    from orchestration.warehouse.folder import Warehouse

    recipients()  # refuses a URL that can't be one, before a server starts
    home = Warehouse(warehouse)
    os.environ |= {
        "DAGSTER_HOME": str(home.dagster),
        "CHURN_EXTRACTS": str(extracts.absolute()),
        "CHURN_WAREHOUSE": str(home.folder),
    }
    with run_history(home.dagster) as instance:
        with suppress(Busy), home.locked():  # a refresh that runs now has done it itself
            fail_left_runs(instance)
        serve(instance, port)


@cli.command(context_settings={"allow_interspersed_args": False})
@existing_warehouse
@click.argument("arguments", nargs=-1, required=True, type=click.UNPROCESSED)
def mf(warehouse: Path, arguments: tuple[str, ...]) -> None:
    """Ask what is published through MetricFlow, for instance:
    query --metrics churn_rate_monthly --group-by metric_time."""
    from orchestration import ROOT
    from orchestration.transform.project import TARGET, prepare_manifest
    from orchestration.warehouse.published import published_file

    published = published_file(warehouse, "churn.duckdb")
    prepare_manifest()
    # MetricFlow reads the semantic manifest beside the project, and the tables of the profile's target "published"
    os.environ |= {
        "DBT_PROJECT_DIR": str(ROOT),
        "DBT_PROFILES_DIR": str(ROOT),
        "DBT_LOG_PATH": str(TARGET / "logs"),
        "CHURN_DB": str(published.absolute()),
    }
    from dbt_metricflow.cli import main as metricflow

    metricflow.UpdateChecker.check = lambda *_: None  # it would ask the web for a newer version at every start
    metricflow.cli(arguments, prog_name="mf")


def main() -> None:
    """Run a command; every failure ends in a sentence and its exit code."""
    # Modules and manifests are millions of objects that stay: searching them for garbage took a fifth of a refresh.
    gc.set_threshold(200_000, 50, 1_000)
    try:
        cli(standalone_mode=False)
    except click.ClickException as error:
        with suppress(OSError):
            error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort) as error:
        done = _note(error) or "Readers keep the last published version; the next refresh starts clean."
        _tell(f"Interrupted. {done}")
        sys.exit(INTERRUPTED)
    except ChurnError as error:
        _tell(str(error))
        sys.exit(error.exit_code)
    except Exception as error:
        from orchestration.refresh.session import reason

        _tell(f"{reason(error)}. {_note(error) or 'Nothing was changed for readers.'}")
        sys.exit(EnvironmentFailure.exit_code)
    finally:
        for stream in filter(None, (sys.stdout, sys.stderr)):  # a pipe that was closed must not change the exit code
            try:
                stream.flush()
            except OSError:
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        gc.freeze()  # or the interpreter looks through them for three more seconds before it ends


def _tell(text: str) -> None:
    """Say it on stderr; where that is a pipe that was closed, the exit code has to do."""
    with suppress(OSError):
        click.echo(text, err=True)


@contextmanager
def _noting(done: str, is_done: Callable[[], bool]) -> Iterator[None]:
    """Whatever fails within after `is_done` says so: a failure to print must not deny what has happened."""
    try:
        yield
    except BaseException as error:
        if is_done():
            error.add_note(done)
        raise


@contextmanager
def _showing(log: Path) -> Iterator[None]:
    """A failure within brings its details along: the log goes with its folder."""
    try:
        yield
    except EnvironmentFailure as failure:
        if not log.exists():
            raise
        said = str(failure).replace(f"details in {log}", "details follow")
        raise EnvironmentFailure(f"{said}\n{log.read_text(encoding='utf-8')}".rstrip()) from None


def _note(error: BaseException) -> str:
    """What was noted at the error, or at the one that click took it for."""
    return " ".join(getattr(error.__cause__ if isinstance(error, click.Abort) else error, "__notes__", ()))


def _refresh(
    extracts: Path,
    warehouse: Path,
    progress: Progress,
    as_of: datetime | None,
    policies: tuple[str, ...] = (),
    full_refresh: bool = False,
    engine: Mapping[str, str | None] | None = None,
    publish_to: str | None = None,
) -> Refresh:
    """Refresh as a run of Dagster's, and return what was published."""
    from orchestration.refresh.session import refreshing

    with (
        refreshing(
            extracts,
            warehouse,
            progress,
            as_of and as_of.date(),
            policies,
            full_refresh,
            engine=engine,
            publish_to=publish_to,
        ) as current,
        _noting("The new version is published.", lambda: current.is_published),
    ):
        if not current.unchanged:
            _run(current)
        else:
            for warning in current.unchanged.warnings:
                progress.warn(warning)
    return current


def _run(current: Refresh) -> None:
    """Run the steps of a refresh as a run of Dagster's job, so that its UI shows them."""
    with current.stage("start"):
        from dagster import DagsterExecutionInterruptedError

        from orchestration.definitions import defs
        from orchestration.defs.run_history import LAUNCHED_BY, REFRESH_TAG, fail_left_runs, run_history
        from orchestration.refresh.session import CONTENT_TAG

        instance = run_history(current.warehouse.dagster)
        fail_left_runs(instance)
        job = defs.resolve_job_def("refresh")
        gc.freeze()  # what was loaded stays: looking through it again and again costs half a second
    with instance, current.explaining("refresh"):
        try:
            job.execute_in_process(
                instance=instance,
                resources={"refresh": lambda: current},
                # Dagster's own log lines would drown the progress
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                tags={CONTENT_TAG: current.extracts.fingerprint, REFRESH_TAG: current.id, **LAUNCHED_BY},
            )
        except DagsterExecutionInterruptedError:
            raise KeyboardInterrupt from None


def _print_result(current: Refresh, profile: bool = False) -> None:
    """What readers have after a refresh: the headline, the time of each stage, the paths, and the profile if asked."""
    with _noting("The new version is published.", lambda: not current.unchanged):
        _print_headline(current)
        if profile and not current.unchanged:
            click.echo("\n" + "\n".join(current.profile.lines()))


def _print_headline(current: Refresh) -> None:
    found, warehouse = current.headline, current.warehouse
    if current.unchanged:
        click.echo(f"{current.unchanged}\n")
    click.echo(
        f"rows    {found.rows_read:,} read, {found.rows_loaded:,} loaded, {found.rows_quarantined:,} quarantined\n"
        f"checks  {found.checks - found.checks_failed:,} passed, {found.checks_failed:,} warned\n"
        f"as of   {current.as_of}\n"
    )
    if found.months:
        click.echo("month    customers    lost    churn  retention      lost sales")
    for month in found.months:
        churn, retention = (
            f"{rate:.2%}" if rate is not None else "–" for rate in (month.churn_rate, month.retention_rate)
        )
        sales = f"{month.lost_sales:,.2f}" if month.lost_sales is not None else "–"
        click.echo(
            f"{month.start:%Y-%m}  {month.customers_at_start:9,}  {month.customers_lost:6,}  {churn:>7}"
            f"  {retention:>9}  {sales:>14}"
        )
    if found.reasons:
        click.echo(
            "\nwhy        " + ", ".join(f"{reason.label} ({reason.customers_lost:,})" for reason in found.reasons)
        )
    if found.win_back.candidates:
        click.echo(
            f"win back   {found.win_back.candidates:,} lost customers may be written to;"
            f" expected sales {found.win_back.expected_sales:,.2f}"
        )
    times = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in current.progress.seconds.items())
    click.echo(f"\ntime       {times}" if times else "")
    click.echo(
        f"marts      {warehouse.current}\n"
        f"private    {warehouse.folder / 'private.duckdb'}\n"
        f"exports    {warehouse.folder / 'exports'}\n"
        f"docs       {warehouse.folder / 'docs' / 'index.html'}\n"
        f"data docs  {warehouse.data_docs / 'index.html'}\n"
        f"report     {warehouse.folder / 'report' / 'index.html'}"
    )
