"""Quoting of texts and names in SQL."""


def quote(text: object) -> str:
    """A SQL string literal, of a path too."""
    return "'" + str(text).replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A quoted SQL name."""
    return '"' + name.replace('"', '""') + '"'
