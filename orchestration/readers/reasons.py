"""`churn reasons`: map the reasons that customers gave, in their own words, to the main reasons.

The product's aliases are a seed and change with it. Those that the company confirms are kept in
churn_reason_aliases.csv in the warehouse folder (alias, reason_code, language), where no upgrade touches them. The file
is private, because notes may contain anything. Every refresh reads it alongside the seed; its aliases take precedence.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from orchestration.contract.reason_aliases import ALIASES, Alias, known_reason, read_aliases, reason_labels
from orchestration.errors import UserError
from orchestration.warehouse.options import existing_warehouse
from orchestration.warehouse.published import read_private
from orchestration.warehouse.replacing import replacing

# As int_reason_texts has it: a text that is this similar to aliases of one reason only means that reason.
SIMILAR = 0.85


@dataclass(frozen=True)
class Unmapped:
    """A text that no alias maps, how many ended spells it is the reason of, and the nearest alias, if there is one."""

    text: str
    normalised: str
    count: int
    nearest_alias: str | None
    nearest_reason_code: str | None
    nearest_language: str | None
    similarity: float | None


def unmapped(warehouse: Path) -> list[Unmapped]:
    """Texts that neither the last published refresh nor an alias confirmed since maps, the most frequent first."""
    rows = read_private(
        warehouse,
        "select text, normalised, count, nearest_alias, nearest_reason_code, nearest_language, similarity "
        "from restricted.unmapped_reasons order by count desc, normalised",
    )
    own = read_aliases(warehouse / ALIASES)
    return [text for text in (Unmapped(*row) for row in rows) if not _is_explained(text, own)]


def confirm(warehouse: Path, text: Unmapped, reason_code: str) -> None:
    """Add the text to the company's aliases of the reason."""
    file = warehouse / ALIASES
    aliases = [*read_aliases(file), Alias(text.normalised, reason_code, language_of(text.text, text.nearest_language))]
    with replacing(file, private=True) as new, new.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, Alias.__annotations__, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(alias) for alias in aliases)


# Frequent words that only one language of its alphabet has.
_WORDS = {
    "cyrillic": {
        "bg": "се си че ще ми ни му ги са е съм има няма вече беше бяха като само това този тази тези защо никой какво",
        "ru": (
            "что это этот эта для из нет мне меня нас нам они мы вы я у к уже только когда потому слишком стало"
            " был была было были его ее их никто"
        ),
    },
    "latin": {
        "en": (
            "the a an is are was were be of to and for with not no it they he she i my me we our you too very in on by"
            " had has have that this from do did don never nobody always but"
        ),
        "fil": (
            "ang ng sa mga na nang ako ko hindi wala walang kasi po naman yung lang ay ni si niya sila kami nila namin"
            " masyado masyadong ka mo din rin pa nag siya ito iyon dahil"
        ),
    },
}


def language_of(text: str, nearest: str | None) -> str:
    """The language of a text: by its letters, then by its frequent words;
    else `nearest`, that of the alias that comes nearest.

    Empty where `nearest` is of the other alphabet and nothing else tells.
    """
    text = text.lower()
    # Only Russian has ы, э, ё, ь before letters other than о, ъ before е, ё, ю, я, and reflexive verbs in -тся, -лся.
    # Other ъ are Bulgarian, like nouns in -ство with the article.
    if re.search(r"[ыэё]|ь(?!о)|ъ[еёюя]|[тл]ся\b", text):
        return "ru"
    if re.search(r"ъ|ството\b", text):
        return "bg"
    known = _WORDS["cyrillic" if re.search("[а-я]", text) else "latin"]
    words = re.findall(r"[^\W\d_]+", text)
    hits = {language: sum(word in frequent.split() for word in words) for language, frequent in known.items()}
    first, second = sorted(hits, key=lambda language: hits[language], reverse=True)
    if hits[first] > hits[second]:
        return first
    return nearest if nearest in known else ""


def _is_explained(text: Unmapped, own: Sequence[Alias]) -> bool:
    """Whether the next refresh will map the text with these aliases; a text near to two reasons needs its own alias."""
    if any(alias.alias == text.normalised for alias in own):
        return True
    if text.similarity is not None and text.similarity >= SIMILAR:
        return False
    return len({alias.reason_code for alias in own if _similarity(alias.alias, text.normalised) >= SIMILAR}) == 1


def _similarity(a: str, b: str) -> float:
    """1 − Levenshtein's distance ÷ the longer length."""
    distances = list(range(len(b) + 1))
    for row, letter in enumerate(a, start=1):
        diagonal, distances[0] = distances[0], row
        for column, other in enumerate(b, start=1):
            diagonal, distances[column] = (
                distances[column],
                min(distances[column] + 1, distances[column - 1] + 1, diagonal + (letter != other)),
            )
    return 1 - distances[-1] / max(len(a), len(b), 1)


@click.command("reasons")
@existing_warehouse
def command(warehouse: Path) -> None:
    """List the reasons that are not mapped yet, and ask for each which main reason it means."""
    texts = unmapped(warehouse)
    if not texts:
        click.echo("Every reason is mapped.")
        return
    click.echo(f"{'count':>5}  {'similar':>7}  {'reason of nearest':20}  {'nearest alias':30}  text")
    for text in texts:
        similarity = f"{text.similarity:.0%}" if text.similarity is not None else "–"
        click.echo(
            f"{text.count:5}  {similarity:>7}  {text.nearest_reason_code or '–':20}  {text.nearest_alias or '–':30}"
            f"  {text.text!r}"
        )
    written = _ask(warehouse, texts)
    click.echo(
        f"{written} alias{'es' if written != 1 else ''} written to {warehouse / ALIASES}; the next refresh reads them.",
        err=True,
    )


def _ask(warehouse: Path, texts: Sequence[Unmapped]) -> int:
    """Ask about each text until the answers end; returns how many aliases were written."""
    codes = list(reason_labels())
    click.echo(
        f"\nFor each text: a reason ({', '.join(codes)}), y for that of the nearest alias, Enter to skip, q to stop.",
        err=True,
    )
    written: list[Alias] = []
    for text in texts:
        # one answer also covers similar texts
        if not text.normalised or _is_explained(text, written):
            continue
        try:
            code = _answer(text, codes)
        except click.Abort:  # the end of the input, or Ctrl-C: what was confirmed stays
            click.echo(err=True)
            break
        if code == "q":
            break
        if code:
            confirm(warehouse, text, code)
            written.append(Alias(text.normalised, code, ""))
    return len(written)


def _answer(text: Unmapped, codes: Sequence[str]) -> str:
    """A reason code, or '' to skip, or 'q' to stop."""
    suggested = f" [y = {text.nearest_reason_code}]" if text.nearest_reason_code else ""
    while True:
        answer = click.prompt(f"{text.text!r}{suggested}", default="", show_default=False, err=True).strip().lower()
        if answer in ("", "q"):
            return answer
        if answer == "y" and text.nearest_reason_code:
            return text.nearest_reason_code
        try:
            return known_reason(answer, codes, "Reason")
        except UserError as error:
            click.echo(str(error), err=True)
