"""Failures that speak to a person. Each class is one exit code of the command line."""


class ChurnError(Exception):
    """A failure with a message for a person: what is wrong, where, what was left untouched, what to do."""

    exit_code = 4


class Refused(ChurnError):
    """A critical check refused to publish; readers still have the last good version."""

    exit_code = 1


class UserError(ChurnError):
    """Something that the person must fix before a build can start: usage, mapping, files, rates."""

    exit_code = 2


class Withheld(UserError):
    """A UserError without its message, which may quote the extracts: what passes through Dagster,
    which keeps what it hears."""


class Busy(ChurnError):
    """Another refresh holds the warehouse."""

    exit_code = 3


class EnvironmentFailure(ChurnError):
    """Disk, permission or an internal error: nothing that the extracts could cure."""

    exit_code = 4


def refuse_if(problems: list[str]) -> None:
    """Raise one UserError for all `problems` of the extracts, if there are any; nothing has been loaded then."""
    if problems:
        head = f"{len(problems)} problems in the extracts:\n" if len(problems) > 1 else ""
        raise UserError(head + "\n".join(dict.fromkeys(problems)) + "\nNothing was loaded; the warehouse is as it was.")
