"""The plotting library for the browser: Vega, Vega-Lite and vega-embed as one script,
from the vl-convert-python wheel."""

from __future__ import annotations

from importlib.metadata import version

from orchestration.transform.project import TARGET
from orchestration.warehouse.replacing import replacing


def script() -> str:
    """The library's JavaScript (0.9 MB). Bundled once per installed version, at set-up."""
    bundle = TARGET / f"vega-{version('vl-convert-python')}.js"
    if not bundle.exists():
        import vl_convert

        TARGET.mkdir(exist_ok=True)
        library = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its types ask for a snippet, it does not
        with replacing(bundle) as new:
            new.write_text(library, encoding="utf-8")
    return bundle.read_text(encoding="utf-8")


if __name__ == "__main__":
    script()
