"""YAML in which every scalar is text that knows its line, so that `Yes` stays `Yes` and an error can name the place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from orchestration.errors import Problem, UserError, refuse_if

MOST_BYTES, MOST_VALUES, DEEPEST = 1_000_000, 50_000, 20
# Control characters, and halves of a character.
_NO_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


class Text(str):
    """A scalar and its place (`extracts.yml, line 3`)."""

    place: str = ""
    shipped: bool = False  # it comes from a preset
    left_out: bool = False  # nothing stands after the key

    def replaced(self, value: str) -> Text:
        """Another text at the same place."""
        text = Text(value)
        text.place, text.shipped, text.left_out = self.place, self.shipped, self.left_out
        return text

    def trimmed(self) -> Text:
        """The text without blanks around it."""
        return self.replaced(self.strip())


class Items(list):
    """A YAML list."""

    place: str = ""


class Block(dict):
    """A YAML mapping with Text keys."""

    place: str = ""


def read_yaml(path: Path, name: str, shipped: bool = False) -> Block:
    """A YAML file as Blocks, Items and Texts; `name` is what errors call it. Raises UserError with every problem."""
    if path.stat().st_size > MOST_BYTES:
        raise UserError(
            f"{name} is larger than {MOST_BYTES:,} bytes, which no mapping needs. Nothing was loaded.", code="mapping"
        )
    try:
        node = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
    except RecursionError:
        raise UserError(f"{name} is nested too deeply. Nothing was loaded.", code="mapping") from None
    except UnicodeDecodeError as error:
        raise UserError(
            f"{name} is not UTF-8 ({error.reason} at byte {error.start}). Save it as UTF-8; nothing was loaded.",
            code="mapping",
        ) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        what = getattr(error, "problem", None) or str(error)
        raise UserError(f"{name}{line}: this is not valid YAML: {what}. Nothing was loaded.", code="mapping") from None

    problems: list[Problem] = []
    converted = 0

    def say(problem: str) -> None:
        problems.append(Problem(problem, "mapping"))

    def convert(node: Any, depth: int = 0) -> Text | Items | Block:
        nonlocal converted
        place = f"{name}, line {node.start_mark.line + 1}"
        converted += 1
        if converted > MOST_VALUES or depth > DEEPEST:
            # an alias is followed each time, so that a few lines can stand for any number of values, or for themselves
            what = f"more than {MOST_VALUES:,} values" if converted > MOST_VALUES else "nested too deeply"
            raise UserError(f"{place}: this is {what}, with its aliases (*name). Nothing was loaded.", code="mapping")
        if isinstance(node, yaml.ScalarNode):
            if not node.value.isprintable() and (wrong := _NO_TEXT.search(node.value)):
                say(f"{place}: a value holds the character {ascii(wrong[0])}, which no text has.")
            text = Text(node.value)
            text.place, text.shipped = place, shipped
            text.left_out = node.value == "" and node.style is None
            return text
        if isinstance(node, yaml.SequenceNode):
            items = Items(convert(item, depth + 1) for item in node.value)
            items.place = place
            return items
        block = Block()
        block.place = place
        for key_node, value_node in node.value:
            key = convert(key_node, depth + 1)
            if not isinstance(key, Text):
                say(f"{place}: a key must be a plain name.")
                continue
            if key in block:
                say(f"{key.place}: '{key}' stands here twice.")
            block[key] = convert(value_node, depth + 1)
        return block

    tree = Block() if node is None else convert(node)
    if not isinstance(tree, Block):
        say(f"{name}: keys are expected, such as time_zone or tables.")
    refuse_if(problems)
    assert isinstance(tree, Block)
    return tree


def merge(base: Block, own: Block, depth: int) -> Block:
    """`own` over `base`, key by key down to `depth` levels; a `where` is replaced as a whole."""
    merged = Block(base)
    merged.place = own.place
    for key, value in own.items():
        known = merged.pop(key, None)  # the key's place must be the own one
        if depth and key != "where" and isinstance(known, Block) and isinstance(value, Block):
            value = merge(known, value, depth - 1)
        merged[key] = value
    return merged
