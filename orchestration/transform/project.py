"""dbt in this process: the prepared manifest, and an invocation that speaks in plain results.

A dbtRunner with a ready manifest starts in half a second; a dbt command takes seven. So the project is parsed once,
at set-up, and again only when a file of it changes.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import yaml

from orchestration import ROOT
from orchestration.transform.docs_page import write_docs

if TYPE_CHECKING:
    from dbt.artifacts.schemas.results import NodeResult
    from dbt.contracts.graph.manifest import Manifest
    from dbt_common.events.event_manager import EventManager

TARGET = ROOT / "target"
MANIFEST = TARGET / "manifest.json"
DOCS = TARGET / "docs" / "index.html"
_SPARK = TARGET / "spark"
_PARSED = "partial_parse.msgpack"
_STAMP = TARGET / "manifest.stamp"
_INPUTS = ("models", "macros", "seeds", "tests/dbt", "dbt_project.yml", "profiles.yml", "requirements.lock")
_CODE = ("orchestration", "expectations")

# The first invocation of a refresh builds what the raw gate judges; the second everything else. A test belongs to the
# first only when all that it reads does. The views of the semantic layer are not built: publishing writes them,
# compiled as they are here.
VIEWS = "path:models/semantic"
RAW_MODELS = "+tag:gate:raw +int_blockers +int_doubts"
NOT_MARTS = f"{RAW_MODELS} {VIEWS}"
SELECTIONS = {
    "raw": ["--select", RAW_MODELS, "--indirect-selection", "cautious"],
    "marts": ["--exclude", NOT_MARTS, "--indirect-selection", "buildable"],
}

# What dbt says of a table or a test that macros/table.sql and macros/test.sql found nothing to do for.
UNCHANGED = "UNCHANGED"

# The events of dbt's that an invocation can listen to.
EVENTS = ("LogModelResult", "LogSeedResult")


def fingerprint(*inputs: str) -> str:
    """Hash of names and contents of these files and folders of the project."""
    digest = hashlib.sha256()
    for path in sorted(
        file for name in inputs for file in ([ROOT / name] if (ROOT / name).is_file() else (ROOT / name).rglob("*"))
    ):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def code_version() -> str:
    """Version of the package and of the exact code and models that a refresh ran."""
    from importlib.metadata import version

    return f"{version('churn-warehouse')}+{fingerprint(*_INPUTS, *_CODE)[:12]}"


def prepare_manifest() -> Path:
    """The path of an up-to-date manifest; parses the project when a file of it has changed since the last time,
    and writes its documentation."""
    from filelock import FileLock

    current = fingerprint(*_INPUTS, "orchestration/transform/docs_page.py")
    if _is_prepared(current):  # nothing is written then: another user than who installed it may refresh
        return MANIFEST
    TARGET.mkdir(exist_ok=True)
    with FileLock(TARGET / ".lock"):
        if not _is_prepared(current):
            _STAMP.unlink(missing_ok=True)
            # parses the whole project and compiles every model without a database: the views for publishing, all for
            # the documentation. A refresh compiles what it builds again, with its own policies and as_of.
            models = ["--select", "resource_type:model", "--indirect-selection", "empty"]
            _invoke(
                ["compile", *models, "--no-introspect", "--no-populate-cache", "--target-path", str(TARGET)],
                ROOT,
            )
            manifest = json.loads(MANIFEST.read_text(encoding="utf-8"))
            _name_policies(manifest)
            MANIFEST.write_text(json.dumps(manifest), encoding="utf-8")
            write_docs(manifest, DOCS)
            _STAMP.write_text(current)
    return MANIFEST


def _is_prepared(current: str) -> bool:
    """Whether the manifest and the documentation are those of the project with this fingerprint."""
    is_current = _STAMP.exists() and _STAMP.read_text() == current
    return is_current and MANIFEST.exists() and (TARGET / _PARSED).exists() and DOCS.exists()


def _name_policies(manifest: Mapping[str, Any]) -> None:
    """End the description of each model with the policies of its meta, on the page and in what is published."""
    for node in manifest["nodes"].values():
        if policies := node["config"]["meta"].get("policies"):
            node["description"] = f"{node['description'].strip()} Policies: {', '.join(policies)}."


class Target(Protocol):
    """Where dbt runs the models."""

    @property
    def name(self) -> str:
        """The target in profiles.yml."""

    def running(self) -> AbstractContextManager[tuple[Mapping[str, Any], Manifest]]:
        """While dbt runs: what its profile says besides, and the project as it is there."""

    def can_try_again(self, failed: Collection[NodeResult]) -> bool:
        """Whether what failed may succeed when it is tried again. What it has left behind is removed then."""


def build(
    target: Target,
    workspace: Path,
    gate: str,
    variables: Mapping[str, Any],
    full_refresh: bool,
    on_event: Callable[[Any], None],
    models: Collection[str] | None = None,
) -> list[NodeResult]:
    """Build the seeds and models of a gate (raw, marts) with their tests on `target`; one result per node. Of `models`,
    if they are given, only these and what they are built from. What fails for a reason that may have passed is tried
    once more.

    Compiled SQL and dbt's profile go to `workspace`. Failing nodes are results, not exceptions.
    """
    workspace.mkdir(exist_ok=True)
    profile = yaml.safe_load((ROOT / "profiles.yml").read_text(encoding="utf-8"))
    # --select takes several names as several words
    selection = [word for argument in SELECTIONS[gate] for word in argument.split()]
    if models is not None:
        selection += ["--select", *(f"+{model}" for model in models)]
    arguments = ["build", "--exclude-resource-type", "unit_test", "exposure", "--vars", json.dumps(dict(variables))]
    arguments += ["--target-path", str(workspace), "--no-write-json", *(["--full-refresh"] if full_refresh else [])]
    with target.running() as (output, project):
        profile["churn_warehouse"]["outputs"][target.name] |= _plain(output)
        (workspace / "profiles.yml").write_text(yaml.safe_dump(profile), encoding="utf-8")
        results = _invoke([*arguments, *selection], workspace, project, on_event, target.name).results
        failed = [result for result in results if result.status == "error"]
        if not failed or not target.can_try_again(failed):
            return results
        unfinished = [result.node.name for result in results if result.status in ("error", "skipped")]
        selection = ["--select", *unfinished, "--indirect-selection", "empty"]
        again = _invoke([*arguments, *selection], workspace, project, on_event, target.name).results
        return [*{result.node.unique_id: result for result in (*results, *again)}.values()]


def _plain(value: Any) -> Any:
    """The texts in the value as dbt's profile takes them: a path with braces would be a template."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, str) and "{" in value:
        return f"{{{{ {json.dumps(value, ensure_ascii=False)} }}}}"
    return value


@cache
def manifest() -> Mapping[str, Any]:
    """The project's manifest, as prepared."""
    return json.loads(prepare_manifest().read_text(encoding="utf-8"))


@cache
def load_manifest() -> Manifest:
    """The project as dbt has parsed it for DuckDB."""
    prepare_manifest()
    return _parsed(TARGET)


def spark_manifest() -> Manifest:
    """The project as dbt has parsed it for Spark, for the caller to change."""
    prepare_spark()
    return _parsed(_SPARK)


def prepare_spark() -> None:
    """Parse the project for Spark when a file of it has changed since the last time."""
    from filelock import FileLock

    stamp, current = _SPARK / "manifest.stamp", fingerprint(*_INPUTS)

    def is_prepared() -> bool:
        return stamp.exists() and stamp.read_text() == current

    if is_prepared():  # nothing is written then, as in prepare_manifest
        return
    _SPARK.mkdir(parents=True, exist_ok=True)
    with FileLock(TARGET / ".lock"):
        if not is_prepared():
            stamp.unlink(missing_ok=True)
            _invoke(["parse", "--target-path", str(_SPARK)], ROOT, target="spark")
            stamp.write_text(current)


def _parsed(folder: Path) -> Manifest:
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    manifest = Manifest.from_msgpack((folder / _PARSED).read_bytes(), decoder=extended_mashumuro_decoder)
    manifest.build_flat_graph()
    return manifest


def _invoke(
    arguments: list[str],
    profiles: Path,
    manifest: Manifest | None = None,
    on_event: Callable[[Any], None] | None = None,
    target: str = "duckdb",
) -> Any:
    """The result of a dbt command; raises what dbt itself could not handle. Of the EVENTS `on_event` is told."""
    from dbt.cli.main import dbtRunner
    from dbt_common.events.event_manager_client import ctx_set_event_manager

    ctx_set_event_manager(_event_manager())
    quiet = [
        "--quiet",
        "--no-print",
        "--log-level",
        "none",
        "--log-level-file",
        "none",
        "--no-use-colors",
        "--no-version-check",
    ]
    # dbt makes the folder of its log even when it writes none
    places = [
        "--project-dir",
        str(ROOT),
        "--profiles-dir",
        str(profiles),
        "--target",
        target,
        "--log-path",
        str(TARGET / "logs"),
    ]
    outcome = dbtRunner(manifest, [on_event] if on_event else []).invoke([*quiet, *arguments, *places])
    if outcome.exception:
        raise outcome.exception
    return outcome.result


@cache
def _event_manager() -> EventManager:
    """dbt's own, without the messages that nobody gets: making one of each of the 5,000 events of a refresh would take
    a twentieth of its CPU."""
    from dbt_common.events.base_types import BaseEvent
    from dbt_common.events.event_manager import EventManager

    class Listening(EventManager):
        def fire_event(
            self, e: BaseEvent, level: Any = None, node: Any = None, force_warn_or_error_handling: bool = False
        ) -> None:
            if type(e).__name__ in EVENTS or force_warn_or_error_handling:
                super().fire_event(e, level, node, force_warn_or_error_handling)

    return Listening()


if __name__ == "__main__":
    prepare_manifest()
    if "spark" in sys.argv[1:]:
        prepare_spark()
