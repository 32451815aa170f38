"""Money as people write it: the number between signs, codes and words of currencies, as SQL expressions."""

from __future__ import annotations

from collections.abc import Mapping

from orchestration.loading.readings import BLANKS
from orchestration.warehouse.quoting import quote

# Active codes of ISO 4217.
CODES = [
    "AED",
    "AFN",
    "ALL",
    "AMD",
    "ANG",
    "AOA",
    "ARS",
    "AUD",
    "AWG",
    "AZN",
    "BAM",
    "BBD",
    "BDT",
    "BGN",
    "BHD",
    "BIF",
    "BMD",
    "BND",
    "BOB",
    "BRL",
    "BSD",
    "BTN",
    "BWP",
    "BYN",
    "BZD",
    "CAD",
    "CDF",
    "CHF",
    "CLF",
    "CLP",
    "CNY",
    "COP",
    "CRC",
    "CUP",
    "CVE",
    "CZK",
    "DJF",
    "DKK",
    "DOP",
    "DZD",
    "EGP",
    "ERN",
    "ETB",
    "EUR",
    "FJD",
    "FKP",
    "GBP",
    "GEL",
    "GHS",
    "GIP",
    "GMD",
    "GNF",
    "GTQ",
    "GYD",
    "HKD",
    "HNL",
    "HRK",
    "HTG",
    "HUF",
    "IDR",
    "ILS",
    "INR",
    "IQD",
    "IRR",
    "ISK",
    "JMD",
    "JOD",
    "JPY",
    "KES",
    "KGS",
    "KHR",
    "KMF",
    "KPW",
    "KRW",
    "KWD",
    "KYD",
    "KZT",
    "LAK",
    "LBP",
    "LKR",
    "LRD",
    "LSL",
    "LYD",
    "MAD",
    "MDL",
    "MGA",
    "MKD",
    "MMK",
    "MNT",
    "MOP",
    "MRU",
    "MUR",
    "MVR",
    "MWK",
    "MXN",
    "MYR",
    "MZN",
    "NAD",
    "NGN",
    "NIO",
    "NOK",
    "NPR",
    "NZD",
    "OMR",
    "PAB",
    "PEN",
    "PGK",
    "PHP",
    "PKR",
    "PLN",
    "PYG",
    "QAR",
    "RON",
    "RSD",
    "RUB",
    "RWF",
    "SAR",
    "SBD",
    "SCR",
    "SDG",
    "SEK",
    "SGD",
    "SHP",
    "SLE",
    "SOS",
    "SRD",
    "SSP",
    "STN",
    "SVC",
    "SYP",
    "SZL",
    "THB",
    "TJS",
    "TMT",
    "TND",
    "TOP",
    "TRY",
    "TTD",
    "TWD",
    "TZS",
    "UAH",
    "UGX",
    "USD",
    "UYU",
    "UYW",
    "UZS",
    "VED",
    "VES",
    "VND",
    "VUV",
    "WST",
    "XAF",
    "XCD",
    "XOF",
    "XPF",
    "YER",
    "ZAR",
    "ZMW",
    "ZWG",
]
# Decimals of a currency's minor unit (ISO 4217), where they aren't two.
DECIMALS = {
    0: ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"],
    3: ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"],
    4: ["CLF", "UYW"],
}
DOLLARS = (
    "USD AUD BBD BMD BND BSD BZD CAD FJD GYD HKD JMD KYD LRD NAD NZD SBD SGD SRD TTD TWD XCD ARS CLP COP"
    " CUP DOP MXN UYU"
)
# Signs and words, each with the currencies that it may stand for. A sign of one currency only says which one it is.
SIGNS = {
    "€": "EUR",
    "£": "GBP",
    "₱": "PHP",
    "₽": "RUB",
    "₴": "UAH",
    "₸": "KZT",
    "₹": "INR",
    "₩": "KRW",
    "₺": "TRY",
    "₫": "VND",
    "₪": "ILS",
    "₦": "NGN",
    "₾": "GEL",
    "$": DOLLARS,
    "US$": "USD",
    "C$": "CAD",
    "CA$": "CAD",
    "A$": "AUD",
    "AU$": "AUD",
    "NZ$": "NZD",
    "S$": "SGD",
    "HK$": "HKD",
    "R$": "BRL",
    "¥": "JPY CNY",
    "ЛВ": "BGN",
    "ЛЕВ": "BGN",
    "ЛЕВА": "BGN",
    "РУБ": "RUB BYN",
    "РУБЛЕЙ": "RUB BYN",
    "РУБЛЯ": "RUB BYN",
    "РУБЛЬ": "RUB BYN",
    "Р": "RUB BYN",
    "ГРН": "UAH",
    "ГРИВЕНЬ": "UAH",
    "ТЕНГЕ": "KZT",
    "ТГ": "KZT",
    "ЕВРО": "EUR",
    "ЕВРА": "EUR",
    "EURO": "EUR",
    "EUROS": "EUR",
    "ДОЛЛ": "USD",
    "PESO": "PHP",
    "PESOS": "PHP MXN ARS CLP COP UYU DOP",
    "P": "PHP",
    "PHP": "PHP",
    "ZŁ": "PLN",
    "KČ": "CZK",
    "FT": "HUF",
    "LEI": "RON MDL",
    "KR": "SEK NOK DKK ISK",
} | {code: code for code in CODES}

_SIGN = "|".join(sorted((sign.replace("$", r"\$") for sign in SIGNS), key=len, reverse=True))
_BLANK = f"[{BLANKS}]*"
_LEADING = rf"^([(+−-]?{_BLANK})({_SIGN})\.?{_BLANK}"
_TRAILING = rf"{_BLANK}({_SIGN})\.?{_BLANK}([)−-]?)$"


def figure(text: str) -> str:
    """The number of an amount: signs of currencies dropped, `(200.00)` and `99.00-` with a leading minus; `10.-` has no
    cents."""
    bare = f"regexp_replace({text}, {quote(_LEADING)}, '\\1', 'i')"
    bare = f"regexp_replace({bare}, {quote(_TRAILING)}, '\\2', 'i')"
    bare = f"replace({bare}, '−', '-')"
    bare = f"regexp_replace({bare}, '(\\d)[.,][-–—]+$', '\\1')"
    minus = rf"^\({_BLANK}-?(.*?){_BLANK}\)$|^([^-]*?){_BLANK}-$"
    bare = f"regexp_replace({bare}, {quote(minus)}, '-\\1\\2')"
    bare = f"regexp_replace({bare}, {quote(rf'^([+-]){_BLANK}')}, '\\1')"
    return f"case when regexp_full_match({text}, '-?\\d+(?:\\.\\d+)?') then {text} else {bare} end"


def sign(text: str) -> str:
    """The sign, code or word of a currency around an amount, in capitals; null where there is none."""
    leading = f"regexp_extract({text}, {quote(_LEADING)}, 2, 'i')"
    trailing = f"regexp_extract({text}, {quote(_TRAILING)}, 1, 'i')"
    found = f"upper(coalesce(nullif({trailing}, ''), nullif({leading}, '')))"  # of $50 CAD, what says which dollar
    return f"case when not regexp_full_match({text}, '-?\\d+(?:\\.\\d+)?') then {found} end"


def currency_of(sign_sql: str) -> str:
    """The currency that a sign stands for, null where it may be several."""
    known = {mark: quote(stands_for) for mark, stands_for in SIGNS.items() if " " not in stands_for}
    return _looked_up(sign_sql, known)


def contradicts(sign_sql: str, of_sign: str, currency: str) -> str:
    """Whether a sign, which stands for `of_sign`, says another currency than `currency` (SQL of codes, or null)."""
    several = {mark: quote(stands_for) for mark, stands_for in SIGNS.items() if " " in stands_for}
    allowed = f"string_split({_looked_up(sign_sql, several)}, ' ')"
    return f"coalesce(not list_contains({allowed}, {currency}), {of_sign} <> {currency}, false)"


def _looked_up(key: str, values: Mapping[str, str]) -> str:
    """The value (SQL) of a key, null where there is none. Not by `in`: DuckDB makes each long list a join of its own,
    which cost more than all other readings of an amount; nor without `case`, as most amounts have no sign."""
    entries = ", ".join(f"{quote(known)}: {value}" for known, value in values.items())
    return f"case when {key} is not null then map {{{entries}}}[{key}] end"


def decimals(currency: str) -> int:
    """Decimals of the minor unit of a currency."""
    return next((number for number, codes in DECIMALS.items() if currency in codes), 2)


def of_minor_units(number: str, currency: str) -> str:
    """An amount in minor units (cents) in units of its currency; null where the currency is not known."""
    factors = {0: "1", 3: "0.001", 4: "0.0001"}
    others = {code: factors[decimals] for decimals, codes in DECIMALS.items() for code in codes}
    factor = f"case when {currency} is not null then coalesce({_looked_up(currency, others)}, 0.01) end"
    product = f"try(try_cast({number} as decimal(28, 6)) * cast({factor} as decimal(6, 4)))"
    return f"rtrim(rtrim({product}::varchar, '0'), '.')"
