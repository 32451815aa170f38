"""The packages of `orchestration` import each other in one direction only, and `expectations` imports none of them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# A package may import itself and what is further down, never its neighbours in a row.
ROWS = [
    {"cli", "demo", "definitions"},
    {"defs"},
    {"refresh"},
    {"readers", "engines"},
    {"loading", "transform", "pulling"},
    {"warehouse"},
    {"contract"},
    {"errors"},
]
RANKS = {package: rank for rank, row in enumerate(ROWS) for package in row}
# The commands start what lies alongside them.
STARTED = {("cli", "demo"), ("cli", "definitions")}


def forbidden(root: Path) -> list[str]:
    """The imports that go the wrong way, as `file:line: module imports module`."""
    found = []
    for file in sorted([*root.glob("orchestration/**/*.py"), *root.glob("expectations/**/*.py")]):
        place = file.relative_to(root)
        inside = place.with_suffix("").parts
        for line, module in imports(file, inside[:-1]):
            if module[0] == "orchestration" and not allowed(inside, module):
                found.append(f"{place.as_posix()}:{line}: {inside_name(inside)} imports {'.'.join(module)}")
    return found


def imports(file: Path, package: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Line and module of every import of a file: at the top, inside functions and for type checkers."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, tuple(alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = (*base, *(node.module.split(".") if node.module else ()))
            # `from orchestration import errors` imports a module, `from orchestration.errors import Busy` a name.
            for alias in node.names:
                yield node.lineno, (*module, alias.name) if len(module) == 1 else module


def allowed(inside: tuple[str, ...], module: tuple[str, ...]) -> bool:
    if inside[0] == "expectations":
        return False
    importer, imported = inside[1], module[1] if len(module) > 1 else "__init__"
    if imported not in RANKS:  # a name of `orchestration` itself, such as ROOT
        return not (ROOT / "orchestration" / imported).exists()
    if importer == imported or (importer, imported) in STARTED:
        return True
    return importer in RANKS and RANKS[importer] < RANKS[imported]


def inside_name(inside: tuple[str, ...]) -> str:
    return ".".join(part for part in inside if part != "__init__")


def test_imports_point_one_way() -> None:
    assert not (found := forbidden(ROOT)), "\n".join(found)


def test_every_package_has_its_row() -> None:
    names = {path.stem for path in (ROOT / "orchestration").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert names - {"__init__", "__pycache__"} == set(RANKS)


@pytest.mark.parametrize(
    ("file", "code", "expected"),
    [
        (
            "orchestration/contract/a.py",
            "def f():\n    from orchestration.loading import b\n",
            "orchestration/contract/a.py:2: orchestration.contract.a imports orchestration.loading",
        ),
        (
            "orchestration/warehouse/a.py",
            "if TYPE_CHECKING:\n    import orchestration.refresh.steps\n",
            "orchestration/warehouse/a.py:2: orchestration.warehouse.a imports orchestration.refresh.steps",
        ),
        (
            "orchestration/transform/a.py",
            "from ..loading.readers import c\n",
            "orchestration/transform/a.py:1: orchestration.transform.a imports orchestration.loading.readers",
        ),
        (
            "orchestration/errors.py",
            "from orchestration import contract\n",
            "orchestration/errors.py:1: orchestration.errors imports orchestration.contract",
        ),
        (
            "expectations/a.py",
            "from orchestration import ROOT\n",
            "expectations/a.py:1: expectations.a imports orchestration.ROOT",
        ),
        ("orchestration/loading/a.py", "from orchestration.warehouse.folder import now\n", None),
        ("orchestration/contract/a.py", "from orchestration import ROOT\n", None),
        ("orchestration/loading/a.py", "from . import readers\n", None),
    ],
)
def test_a_wrong_import_is_found(file: str, code: str, expected: str | None, tmp_path: Path) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(code, encoding="utf-8")
    assert forbidden(tmp_path) == ([expected] if expected else [])
