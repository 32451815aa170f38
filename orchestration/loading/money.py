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
# One sign or two next to each other (USD $50). Before the end as few as do: PKR is no P with a KR behind it.
_LEADING = rf"^([+(−-]?{_BLANK})((?:(?:{_SIGN})\.?{_BLANK}){{1,2}})"
_TRAILING = rf"{_BLANK}((?:(?:{_SIGN})\.?{_BLANK}){{1,2}}?)([)−-]?)$"
_PLAIN = r"-?\d+(?:\.\d+)?"


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
    return f"case when regexp_full_match({text}, {quote(_PLAIN)}) then {text} else {bare} end"


def stated(text: str) -> str:
    """The currencies that an amount may be of by the signs, codes and words around it, as a list: of $50 CAD only CAD.
    Null where nothing stands there, empty where they contradict each other."""
    around = [
        f"regexp_extract({text}, {quote(_LEADING)}, 2, 'i')",
        f"regexp_extract({text}, {quote(_TRAILING)}, 1, 'i')",
    ]
    signs = f"regexp_extract_all(upper(concat_ws(' ', {', '.join(around)})), {quote(_SIGN)})"
    stands_for = _looked_up("sign", {sign: quote(currencies) for sign, currencies in SIGNS.items()})
    each = f"list_transform({signs}, lambda sign: string_split({stands_for}, ' '))"
    common = f"list_reduce({each}, lambda known, other: list_intersect(known, other))"
    return f"case when not regexp_full_match({text}, {quote(_PLAIN)}) and len({signs}) > 0 then {common} end"


def currency_of(stated_sql: str) -> str:
    """The currency that an amount states, null where it may be of several."""
    return f"case when len({stated_sql}) = 1 then {stated_sql}[1] end"


def contradicts(stated_sql: str, currency: str) -> str:
    """Whether an amount states another currency than `currency` (SQL of a code, or null), or several at once."""
    return f"coalesce(len({stated_sql}) = 0 or not list_contains({stated_sql}, {currency}), false)"


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
