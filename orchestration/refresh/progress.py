"""What a refresh is doing, for the person who waits: on stderr, live on a terminal, plain lines elsewhere.

Where nobody can be told, because stderr is a pipe that was closed or a file on a full disk, the refresh goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Progress:
    """Reports stages and the steps within them, unless it is to be quiet (`is_quiet`), and remembers how long each
    stage took (`seconds` by stage) and how the refresh has ended (`outcome`, the text of refresh.json)."""

    def __init__(self, quiet: bool = False) -> None:
        from rich.console import Console

        self.seconds: dict[str, float] = {}
        self.outcome: str | None = None
        self.is_quiet = quiet
        self._console = Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)
        self._status = self._console.status("") if self._console.is_terminal and not quiet else None
        self._stage = ""

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Everything within belongs to this stage; its time is shown when it has succeeded."""
        self._stage, started = name, time.perf_counter()
        if self._status:
            self._status.update(name)
            self._status.start()
        try:
            yield
            self.seconds[name] = time.perf_counter() - started
            self._print(f"{name}: {self.seconds[name]:.1f} s")
        finally:
            if self._status:
                self._status.stop()

    def step(self, text: str) -> None:
        """Something within the stage was done."""
        if self._status:
            self._status.update(f"{self._stage}: {text.replace('[', chr(92) + '[')}")
        else:
            self._print(f"  {text}")

    def warn(self, text: str) -> None:
        """Something that the person should know and that stops nothing."""
        self._print(f"warning: {text}", "yellow")

    def _print(self, text: str, style: str | None = None) -> None:
        with suppress(OSError):
            self._console.print(text, markup=False, style=style)
