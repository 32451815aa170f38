"""Sources that are files elsewhere (S3, SFTP, Google Drive, any folder): each pull has all of them, as they lie there.

What has not changed since the pull before is not fetched again but linked; the loader knows it by its content."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
from dlt.common.configuration import resolve_configuration
from dlt.common.configuration.exceptions import ConfigFieldMissingException
from dlt.common.configuration.specs import AwsCredentials, GcpServiceAccountCredentials, SFTPCredentials
from dlt.sources.filesystem import filesystem

from orchestration.contract.pulls import Pull
from orchestration.errors import ChurnError, EnvironmentFailure, UserError
from orchestration.pulling.secrets import Secrets

# What the files were like where they were fetched from; hidden, so that it is no extract.
LISTING = ".listing.json"
# How dlt opens each kind of place, and the secrets that it may ask for.
_CREDENTIALS: dict[str, tuple[type, tuple[str, ...]]] = {
    "s3": (
        AwsCredentials,
        ("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "region_name", "endpoint_url"),
    ),
    "sftp": (SFTPCredentials, ("sftp_username", "sftp_password", "sftp_key_filename", "sftp_port")),
    "gdrive": (GcpServiceAccountCredentials, ("client_email", "private_key", "project_id")),
}


def files(pull: Pull, secrets: Secrets, folder: Path, earlier: list[Path]) -> Iterator[tuple[str, int]]:
    """Write every file of the source under its own path. Yields `files` and their number."""
    before = _listing(earlier[-1]) if earlier else {}
    listing: dict[str, list[Any]] = {}
    address = pull.url or ""
    try:
        credentials = _credentials(address, secrets)
        for pattern in pull.files:
            found = filesystem(bucket_url=address, file_glob=pattern, credentials=credentials)
            for item in found:
                path = item["relative_path"]
                if path in listing:
                    continue
                if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                    raise EnvironmentFailure(f"the path {path} leads out of the folder.")
                listing[path] = [item["size_in_bytes"], item["modification_date"].isoformat()]
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                if before.get(path) == listing[path]:
                    os.link(earlier[-1] / path, target)
                else:
                    with item.open(mode="rb", compression="disable") as source, target.open("wb") as copy:
                        shutil.copyfileobj(source, copy)
    except ChurnError:
        raise
    except Exception as error:  # of whatever library reads that kind of place; its text may hold what is secret
        raise EnvironmentFailure(f"its files could not be read ({type(error.__cause__ or error).__name__}).") from None
    (folder / LISTING).write_text(json.dumps(listing), encoding="utf-8")
    yield "files", len(listing)


def _credentials(address: str, secrets: Secrets) -> Any:
    """What opens the place: the secrets that are set for it, else what its library finds where it always looks."""
    scheme = address.partition("://")[0]
    if scheme not in _CREDENTIALS:
        return fsspec.filesystem("file")
    kind, names = _CREDENTIALS[scheme]
    found = {name: value for name in names if (value := secrets.get(name))}
    try:
        return resolve_configuration(kind(), explicit_value=found or None, accept_partial=False)
    except ConfigFieldMissingException:
        raise UserError(f"it needs {' or '.join(names)}. {secrets.places(names[0])}") from None


def _listing(folder: Path) -> dict[str, list[Any]]:
    file = folder / LISTING
    found = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return {path: stamp for path, stamp in found.items() if (folder / path).exists()}
