"""Staff, and the customers whom the company wins: more each year, most in autumn and January."""

from datetime import timedelta

from .company import AS_OF, FIRST_DAY, Company, Customer, Employee

CUSTOMERS = 5_000

COUNTRIES = {"BG": 50, "PH": 20, "RU": 17, "GB": 10, None: 3}  # ISO code -> share; some cards don't say
LANGUAGES = {"BG": ["bg"] * 9 + ["en"], "PH": ["fil", "fil", "en"], "RU": ["ru"], "GB": ["en"], None: ["bg", "en"]}
ACQUISITION_CHANNELS = {"search": 32, "referral": 24, "ads": 22, "partner": 12, "trade fair": 6, None: 4}
SEGMENTS = {"micro": 55, "small": 33, "medium": 12}
INDUSTRIES = {"cafe": 30, "grocery": 25, "salon": 20, "market stall": 15, "clothing": 10}
SEASON = [1.3, 1.0, 1.1, 1.0, 0.9, 0.8, 0.6, 0.7, 1.2, 1.3, 1.1, 0.8]  # of winning customers, by month

_STAFF = {
    ("Sales Sofia", "seller"): "Мария Илиева; Петър Стоянов; Ива Колева; Георги Танев; Силвия Радева; Никола Димов",
    ("Sales Manila", "seller"): "Liza Ramos; Jun Mercado; Grace Villanueva; Paolo Reyes",
    ("Success", "account manager"): "Десислава Минева; Ольга Сорокина; Hannah Price; Rico Navarro; Тодор Ганчев",
    ("Support day", "agent"): "Калин Попов; Joy Castillo; Елена Жукова; Виктор Янев; Mark Ellis",
    ("Support night", "agent"): "Bea Lopez; Стефан Русев; Carlo Diaz",
}


def hire(company: Company) -> None:
    """Fill `company.employees`; some of them keep customers better than others."""
    for (team, role), names in _STAFF.items():
        for name in names.split("; "):
            number = len(company.employees) + 1
            company.employees.append(Employee(f"E{number:02d}", name, role, team, company.rng.uniform(0.6, 1.5)))


def win(company: Company) -> None:
    """Fill `company.customers` in the order in which they come."""
    rng, managers = company.rng, company.team("Success")
    days = [FIRST_DAY + timedelta(days=n) for n in range((AS_OF - FIRST_DAY).days + 1)]
    growth = [(1 + n / len(days)) * SEASON[day.month - 1] for n, day in enumerate(days)]
    for number, joined in enumerate(sorted(rng.choices(days, growth, k=CUSTOMERS)), 1):
        country, channel = (
            rng.choices(list(shares), list(shares.values()))[0] for shares in (COUNTRIES, ACQUISITION_CHANNELS)
        )
        segment, industry = (rng.choices(list(shares), list(shares.values()))[0] for shares in (SEGMENTS, INDUSTRIES))
        customer = Customer(
            f"C-{number:05d}",
            joined,
            country,
            rng.choice(LANGUAGES[country]),
            "USD" if country == "PH" else "EUR",
            segment,
            industry,
            channel,
            rng.choice(managers),
            rng.gauss(0, 1),
            rng.choices(["subscription", "supplies", "nothing"], [70, 25, 5])[0],
        )
        company.customers.append(customer)
        if number % 170 == 0:
            customer.has_card = False
            customer.country = customer.acquisition_channel = None
        elif number % 90 == 0:  # came back under a new card; the two were merged later
            customer.former_id = f"C-{90_000 + number}"
            customer.merged_on = joined + timedelta(days=rng.randint(60, 240))


def contacts(customer: Customer) -> dict[str, str | None]:
    """Made-up name, e-mail, phone and messenger address, phones as people of the country write them.

    The phones lie in blocks of zeros that no operator hands out, or (GB) in the block reserved for fiction.
    """
    number = int(customer.customer_id[-5:])
    first, last = (_pick(names, number, step) for names, step in zip(_NAMES[customer.language], (1, 7), strict=True))
    phone = _PHONES[customer.country][number % len(_PHONES[customer.country])].format(
        a=number % 1000, b=number % 100, c=number // 100 % 100, d=number % 10_000
    )
    domain = ("example.com", "example.org", "example.net")[number % 3]
    return {
        "name": f"{first} {last}" if customer.segment != "medium" else f"{last} & {first} Ltd",
        "email": f"client{number:05d}@{domain}" if number % 11 else None,
        "phone": phone if number % 13 else None,
        "messaging": phone if number % 3 == 0 else None,
    }


def _pick(names: str, number: int, step: int) -> str:
    choices = names.split()
    return choices[number // step % len(choices)]


_NAMES = {  # language -> first names, family names
    "bg": (
        "Иван Мария Георги Елена Димитър Ралица Петър Надежда",
        "Георгиеви Стоянови Димитрови Колеви Иванови Маринови",
    ),
    "ru": ("Алексей Ольга Сергей Наталья Дмитрий Анна Михаил", "Кузнецовы Соколовы Поповы Лебедевы Новиковы"),
    "fil": ("Jose Maria Juan Ana Ramon Teresita Eduardo Rosario", "Santos Cruz Garcia Bautista Ocampo Aquino"),
    "en": ("James Emma Oliver Sophie Harry Alice", "Carter Walsh Hughes Bennett Foster"),
}
_PHONES = {
    "BG": ["+359 88 800 0{a:03d}", "0888000{a:03d}", "00359 87 800 0{a:03d}", "0897/000-{a:03d}"],
    "PH": ["0917 000 {d:04d}", "+63 917 000 {d:04d}", "(0918) 000-{d:04d}"],
    "RU": ["8 (900) 000-{c:02d}-{b:02d}", "+7 900 000 {c:02d} {b:02d}", "8-900-000-{c:02d}-{b:02d}"],
    "GB": ["07700 900{a:03d}", "+44 7700 900 {a:03d}"],
    None: ["+359 89 500 0{a:03d}"],
}
