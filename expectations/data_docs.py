"""What the gates checked, as one page that needs nothing from the web."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path
from string import Template

from expectations.checks import CheckResult

_PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Checks of the extracts and the marts</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
body { color: CanvasText; background: Canvas; }
:root { color-scheme: light dark; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8884; }
td:nth-child(4), td:nth-child(5) { font-family: ui-monospace, monospace; font-size: .85em; }
.failed td:first-child, .error td:first-child { font-weight: bold; }
</style></head><body>
<h1>Checks of the extracts and the marts</h1>
<p>$summary A check that failed as critical, and any that could not be evaluated, stops the publish; a warning does not.
The tests of the models are not among them: <code>quality.check_results</code> in <code>churn.duckdb</code> has
the results of all checks of every published refresh.</p>
<table>
<thead><tr><th>result</th><th>severity</th><th>gate</th><th>table</th><th>check</th><th>what was found</th></tr></thead>
<tbody>
$rows</tbody></table>
</body></html>
""")
_ORDER = ("error", "failed", "passed")


def write_page(page: Path, results: Iterable[CheckResult]) -> None:
    """Write the results to `page`, failed ones first."""
    ordered = sorted(results, key=lambda result: (_ORDER.index(result.status), result.table_name, result.check_name))
    rows = "".join(
        f'<tr class="{result.status}">'
        + "".join(
            f"<td>{escape(cell)}</td>"
            for cell in (
                result.status,
                result.severity,
                result.gate,
                result.table_name,
                result.check_name,
                result.message,
            )
        )
        + "</tr>\n"
        for result in ordered
    )
    passed = sum(result.status == "passed" for result in ordered)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(
        _PAGE.substitute(
            summary=f"{passed} of {len(ordered)} checks passed.",
            rows=rows,
        ),
        encoding="utf-8",
    )
