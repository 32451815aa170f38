"""How dlt is used, by pulls and by publishing: what it may do, and where secrets are read.

dlt itself would look into /tmp where it can't write to the home folder, and anybody could put a file there."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from orchestration.errors import SetupError

INSTALL = "run `make connect` in the folder of the project, which adds them to its environment"


def prepare_dlt() -> None:
    """Before dlt is imported: it sends nothing, and is patient with servers that are busy."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    # four minutes in all, unless the server asks for more
    os.environ.setdefault("RUNTIME__REQUEST_MAX_ATTEMPTS", "10")
    os.environ.setdefault("RUNTIME__REQUEST_MAX_RETRY_DELAY", "60")
    os.environ.setdefault("RUNTIME__LOG_LEVEL", "CRITICAL")


def secrets_files() -> list[Path]:
    """Where secrets may be kept; the first wins."""
    return [Path(folder, ".dlt", "secrets.toml") for folder in (os.getcwd(), os.path.expanduser("~"))]


def read_secrets(file: Path) -> dict[str, Any]:
    """All that the file holds; nothing where there is none."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):  # what they say may quote a secret
        raise SetupError(f"{file} is not valid TOML.") from None
    except OSError as error:
        raise SetupError(f"{file} can't be read ({error.strerror}).") from None
