"""How the demo's staff write down why a customer left: short phrases in four languages, carelessly typed.

The notes are not rows of the alias seed; how many of them find their reason measures how well the seed maps.
"""

from random import Random

# reason code -> language -> phrases
PHRASES: dict[str, dict[str, list[str]]] = {
    reason: {language: phrases.split("; ") for language, phrases in languages.items()}
    for reason, languages in {
        "poor_service": {
            "en": (
                "really poor service; very bad service; the staff was rude; they treated us badly;"
                " terrible customer service"
            ),
            "bg": "много лошо обслужване; обслужването е много лошо; персоналът е груб; грубо държание",
            "ru": "очень плохое обслуживание; обслуживание ужасное; хамство сотрудников",
            "fil": (
                "ang pangit ng serbisyo; bastos ang tauhan; ang sungit ng staff; pangit ng service;"
                " hindi maayos ang service"
            ),
        },
        "slow_answer": {
            "en": "too slow to answer; waited too long for a reply; slow replies",
            "bg": (
                "много бавен отговор; отговарят много бавно; никой не вдига телефона; не отговарят на имейлите;"
                " чаках дълго за отговор"
            ),
            "ru": (
                "очень долго отвечают; не отвечают на мои письма; никто не берет трубку; долго ждали ответа;"
                " слишком медленно отвечают"
            ),
            "fil": "ang bagal sumagot; mabagal mag reply; ang tagal mag reply",
        },
        "neglected": {
            "en": "nobody ever called me; no one contacted us; you forgot about us; no attention from our manager",
            "bg": "никой не ни се обади; никой не ни потърси; забравиха ни; не поддържат контакт; никой не ми се обади",
            "ru": "никто нам не звонил; о нас забыли; никто не связался; никто не звонил мне; менеджер не звонил",
            "fil": (
                "walang tumatawag sa amin; walang kumontak sa amin; nakalimutan na kami; walang nangungumusta;"
                " hindi na kami tinawagan"
            ),
        },
        "delivery": {
            "en": (
                "late deliveries; the delivery was late; orders always arrive late; order did not arrive;"
                " shipping took too long"
            ),
            "bg": (
                "доставката закъсня; доставката винаги закъснява; пратката не пристигна; много бавна доставка;"
                " закъснели доставки"
            ),
            "ru": "доставка опоздала; доставка всегда опаздывает; посылка не дошла; очень долгая доставка",
            "fil": (
                "laging late ang delivery; ang tagal ng delivery; hindi dumating ang inorder; mali ang na deliver;"
                " nawala yung parcel"
            ),
        },
        "product_quality": {
            "en": (
                "very poor quality; the quality went down; the product broke too quickly; the product is defective;"
                " product was not as described"
            ),
            "bg": "много лошо качество; качеството се влоши; продуктът се счупи; дефектна стока; качеството не е добро",
            "ru": (
                "очень плохое качество; качество стало хуже; товар оказался бракованный; товар быстро сломался;"
                " качество сильно упало"
            ),
            "fil": (
                "ang pangit ng quality; mababa ang quality; sira yung produkto; ang daling masira; pangit ang kalidad"
            ),
        },
        "technical_problems": {
            "en": (
                "the app crashes all the time; too many technical issues; app keeps crashing;"
                " the website doesn't work; constant technical problems"
            ),
            "bg": "постоянни технически проблеми; програмата все забива; сайтът не работеше; системата не работи",
            "ru": "постоянные технические проблемы; программа зависает; приложение не работало; постоянные сбои",
            "fil": (
                "laging may problemang teknikal; hindi gumagana yung app; laging nag crash ang app; puro error;"
                " ayaw gumana ng app"
            ),
        },
        "missing_feature": {
            "en": (
                "a missing feature; missing some features; the feature we need is missing; lacks the features we need"
            ),
            "bg": "липсват нужни функции; липсва ми функция; няма функцията която ни трябва; липсват ни функции",
            "ru": "не хватает нужных функций; не хватает функционала; нет нужных функций; мало возможностей",
            "fil": "kulang sa features; kulang ang feature; wala yung feature na kailangan; kulang kulang ang features",
        },
        "hard_to_use": {
            "en": "too hard to use; very complicated; it is too complicated; too difficult to use; really confusing",
            "bg": "твърде трудно за използване; много е сложно; много объркващо; не разбирам как се ползва",
            "ru": "слишком сложно пользоваться; сложно разобраться; не разобрались как пользоваться",
            "fil": (
                "sobrang hirap gamitin; mahirap gamitin ang app; ang komplikado; sobrang komplikado;"
                " ang hirap intindihin"
            ),
        },
        "high_price": {
            "en": (
                "price is too high; the price went up; way too expensive; it's too expensive; prices are too high;"
                " it costs too much"
            ),
            "bg": "цената е много висока; вдигнаха цената; скъпо им е; цените са високи; стана много скъпо; skapo",
            "ru": (
                "цены слишком высокие; цена очень высокая; стало дорого; дорого для нас; подняли цену;"
                " очень дорого стоит"
            ),
            "fil": (
                "ang mahal na; masyadong mataas ang presyo; mahal na masyado; tumaas na ang presyo;"
                " di na kaya ng budget; sobrang mahal na"
            ),
        },
        "competitor": {
            "en": (
                "went to the competitor; went to competitors; switching to another provider; found a better deal;"
                " they changed supplier; found another supplier"
            ),
            "bg": (
                "отидоха при конкуренцията; премина при конкурент; намериха по-добра оферта; смениха доставчика;"
                " намери друг доставчик"
            ),
            "ru": (
                "ушли к конкурентам; перешли к конкурентам; нашли дешевле; нашли другого поставщика; сменил поставщика"
            ),
            "fil": (
                "lumipat na sa iba; lumipat sa kalaban; nakakita ng mas mura sa iba; may nahanap na mas mura;"
                " lumipat sa ibang supplier"
            ),
        },
        "no_longer_needed": {
            "en": (
                "we don't need it anymore; no longer need this; they no longer use it; not using it anymore;"
                " the project is finished"
            ),
            "bg": "вече не им трябва; вече не го използваме; нямат нужда вече; не го ползваме; проектът свърши",
            "ru": "нам больше не нужно; больше не пользуемся; больше не требуется; проект закончен; отпала надобность",
            "fil": (
                "hindi na raw kailangan; di na namin kailangan; hindi na namin ginagamit; wala nang gamit;"
                " tapos na yung project"
            ),
        },
        "non_payment": {
            "en": "payment has failed; the card was declined; card has expired; did not pay the invoice",
            "bg": "не плати фактурата; картата му е изтекла; не плащат; отказано плащане",
            "ru": "не оплатил счет; платеж отклонен; неоплаченные счета; не платит",
            "fil": "hindi na nagbayad; expired na ang card; na decline ang card; hindi nagbabayad; failed yung payment",
        },
        "moved_away": {
            "en": "moved to another country; they moved abroad; moving to another city; relocated abroad",
            "bg": "преместиха се в друг град; заминаха в чужбина; премести се в чужбина; преместиха се",
            "ru": (
                "переезжают в другой город; уехали за границу; переехали в другую страну; уехал в другой город;"
                " переезд за границу"
            ),
            "fil": "lumipat na ng bahay; lumipat sa probinsya; nag abroad; lumipat sa ibang bansa; lumipat na ng lugar",
        },
        "closed_down": {
            "en": (
                "closed the business; the business closed; shop closed down; they went bankrupt;"
                " the company closed down"
            ),
            "bg": "закриха фирмата; затвори магазина си; фирмата фалира; фалираха; закриват дейността",
            "ru": "закрыли бизнес; закрыли магазин; фирма обанкротилась; бизнес закрылся; закрыла ип",
            "fil": "nagsara na ang negosyo; nagsara na ang tindahan; sarado na ang shop; nalugi na; nagsara ang shop",
        },
        "died": {
            "en": "owner passed away; the customer has died; the client passed away; customer deceased; he died",
            "bg": "клиентката почина; собственикът е починал; починала е; за съжаление почина",
            "ru": "владелец скончался; умер владелец; к сожалению умер; клиентка скончалась",
            "fil": (
                "namatay na ang may ari; pumanaw na ang may ari; pumanaw na po; namatay na po; namayapa na ang customer"
            ),
        },
        "other": {
            "en": "for other reasons; personal reason; for family reasons; other reasons; due to personal reasons",
            "bg": "по други причини; лична причина; по семейни причини; има други причини; лични обстоятелства",
            "ru": (
                "по другим причинам; личная причина; по семейным обстоятельствам; есть другие причины;"
                " личные обстоятельства"
            ),
            "fil": (
                "sa ibang dahilan; personal ang dahilan; may personal na dahilan; dahilan sa pamilya; ibang mga dahilan"
            ),
        },
    }.items()
}

# Phrases that no alias comes near to: real notes have some too, and a person maps them.
UNUSUAL: dict[tuple[str, str], str] = {
    ("poor_service", "en"): "rude staff at the counter of the Cebu shop",
    ("poor_service", "ru"): "грубят, причем не в первый раз",
    ("slow_answer", "bg"): "чакам отговор още от Великден",
    ("neglected", "en"): "the last call from our manager was two years ago",
    ("product_quality", "fil"): "isang buwan lang, sira na ulit ang scanner",
    ("technical_problems", "ru"): "сайт третий раз за неделю лежит",
    ("missing_feature", "bg"): "няма интеграция със счетоводната програма",
    ("hard_to_use", "bg"): "касиерките не могат да свикнат с програмата",
    ("high_price", "en"): "their accountant says it does not pay off",
    ("high_price", "fil"): "kulang daw ang kita nila ngayong taon",
    ("competitor", "ru"): "племянник поставил им другую кассу",
    ("no_longer_needed", "en"): "only wanted it for the summer market",
    ("non_payment", "bg"): "неплатени фактури още от пролетта",
    ("moved_away", "bg"): "замина при децата си в Германия",
    ("closed_down", "fil"): "ibinenta na nila ang puwesto",
}


def write_note(rng: Random, reason: str, language: str) -> str:
    """The text that a clerk types for `reason` (a reason code) in `language` (en, bg, ru, fil)."""
    if (reason, language) in UNUSUAL and rng.random() < 0.05:
        return UNUSUAL[reason, language]
    phrase = rng.choice(PHRASES[reason][language])
    if len(phrase) >= 8 and rng.random() < 0.5:
        phrase = _misspell(rng, phrase)
    return rng.choice(_HANDS)(phrase)


def _misspell(rng: Random, phrase: str) -> str:
    """One letter inside the phrase is dropped, doubled or taken for its neighbour."""
    at = rng.choice([i for i in range(1, len(phrase)) if phrase[i].isalpha()])
    wrong = rng.choice(["", phrase[at] * 2, phrase[at - 1] if phrase[at - 1].isalpha() else ""])
    return phrase[:at] + wrong + phrase[at + 1 :]


# Hands differ in capitals, blanks and punctuation.
_HANDS = [
    str.upper,
    str.capitalize,
    lambda phrase: f"{phrase.capitalize()}.",
    lambda phrase: f"{phrase.upper()}!!!",
    lambda phrase: f"  {phrase} ",
    lambda phrase: phrase.replace(" ", "  ") + " ...",
    lambda phrase: f"- {phrase}",
    lambda phrase: f"„{phrase}“",
    lambda phrase: phrase.replace(" ", ", ", 1) + "?",
]
