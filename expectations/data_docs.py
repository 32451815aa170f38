"""The folder of Data Docs: GX's pages, and on its front page a list of the results that reads without the web."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

from expectations.checks import CheckResult


def site(folder: Path) -> dict[str, Any]:
    """GX's configuration of a site of validation results in `folder`; the results name the expectations too."""
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "site_section_builders": {"expectations": "None", "profiling": "None"},
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }


def list_results(folder: Path, results: Iterable[CheckResult]) -> None:
    """Append all results to the front page, failed ones first: GX draws its own list with scripts from the web."""
    pages = {
        page.stem.split("-", 1)[1]: page.relative_to(folder).as_posix() for page in folder.glob("validations/**/*.html")
    }
    rows = "".join(
        f'<tr><td>{result.status}</td><td>{result.severity}</td><td><a href="{escape(pages.get(result.table_name, ""))}">{result.table_name}</a></td>'
        f"<td>{result.check_name}</td><td>{escape(result.message)}</td></tr>\n"
        for result in sorted(results, key=lambda result: ("error", "failed", "passed").index(result.status))
    )
    head = "<tr><th>status</th><th>severity</th><th>table</th><th>check</th><th>result</th></tr>\n"
    index = folder / "index.html"
    page = index.read_text(encoding="utf-8")
    index.write_text(page.replace("</body>", f'<table class="table">\n{head}{rows}</table>\n</body>'), encoding="utf-8")
