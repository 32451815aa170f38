"""Whether the lock files hold what the package index offers, and nothing that is known to be vulnerable (`make audit`).

An answer that cannot be had is a failure: "not found" must never read like "not vulnerable"."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

UV, PIP_AUDIT = ".venv/bin/uv", ".venv-audit/bin/pip-audit"


class NoAnswer(Exception):
    """Why a question has no answer, in a sentence."""


def main(locks: list[Path]) -> int:
    complaints = {lock: [*answered(foreign_hashes, lock), *answered(vulnerabilities, lock)] for lock in locks}
    for lock, lines in complaints.items():
        for line in lines:
            print(f"{lock.name}: {line}", file=sys.stderr)
        if not lines:
            print(f"{lock.name}: all hashes are the index's, no known vulnerabilities")
    return int(any(complaints.values()))


def answered(question: Callable[[Path], list[str]], lock: Path) -> list[str]:
    try:
        return question(lock)
    except NoAnswer as reason:
        return [f"not audited: {reason}"]


def foreign_hashes(lock: Path) -> list[str]:
    """What the lock holds and the index does not offer: a package without a hash, or a hash of no file."""
    locked = hashes(lock.read_text())
    offered = hashes(fresh(lock))
    unhashed = [f"{package} has no hash" for package in locked if not locked[package]]
    return unhashed + [
        f"{package}: the index has no file with the hash {unknown}"
        for package in locked
        for unknown in sorted(locked[package] - offered.get(package, set()))
    ]


def fresh(lock: Path) -> str:
    """The same versions with the hashes that the index states now."""
    options = ["--quiet", "--universal", "--generate-hashes", "--no-header", "--no-annotate", "--no-deps"]
    done = subprocess.run(
        [UV, "pip", "compile", *options, "--python-version", "3.11", lock], capture_output=True, text=True
    )
    if done.returncode:
        raise NoAnswer(f"the package index did not state its hashes ({last_line(done.stderr)}). Run it again later.")
    return done.stdout


def vulnerabilities(lock: Path) -> list[str]:
    """The known vulnerabilities of what the lock installs on this machine."""
    options = ["--strict", "--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
    done = subprocess.run([PIP_AUDIT, *options, "--requirement", lock], capture_output=True, text=True)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        raise NoAnswer(
            f"the database of vulnerabilities could not be asked ({last_line(done.stderr)}). Nothing is known about"
            " these packages; run it again where the package index and its database can be reached."
        ) from None
    return [
        f"{package['name']} {package['version']}: {vulnerability['id']},"
        f" fixed in {', '.join(vulnerability['fix_versions']) or 'no version yet'}"
        for package in packages
        for vulnerability in package["vulns"]
    ]


def hashes(lock: str) -> dict[str, set[str]]:
    """Package with its version -> hashes."""
    found: dict[str, set[str]] = {}
    package = ""
    for line in lock.splitlines():
        if pin := re.match(r"[\w.\[\],-]+==[^\s;]+", line):
            package = pin[0]
            found[package] = set()
        if package:
            found[package].update(re.findall(r"--hash=(\w+:\w+)", line))
    return found


def last_line(text: str) -> str:
    """What a tool said last, without the name of its logger."""
    return re.sub(r"^\w+:\w+\.\w+:", "", (text.strip().splitlines() or ["no answer"])[-1]).strip(" .")


if __name__ == "__main__":
    sys.exit(main(sorted(Path().glob("requirements*.lock"))))
