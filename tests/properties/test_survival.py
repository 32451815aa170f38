"""Survival curves against lifelines' Kaplan-Meier estimator and its log-log interval, on random lengths of stay."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from random import Random

import pytest
from lifelines import KaplanMeierFitter
from scipy.stats import norm

from tests.properties.harness import Warehouse
from tests.reference.company import Company, Customer, Policies, Subscription

AS_OF = date(2024, 6, 30)
ALPHA = 2 * norm.sf(1.959964)  # the definitions' z, of which 0.05 differs in the ninth digit


def stays(seed: int) -> tuple[Company, dict[str, list[tuple[int, bool]]]]:
    """A company of a segment of hundreds, one of a dozen and one of a single customer,
    and of each country the first stays: days, whether it ended."""
    rng = Random(seed)
    company = Company(AS_OF, policies=Policies(segments=("country",)))
    durations: dict[str, list[tuple[int, bool]]] = defaultdict(list)
    for number in range(400):
        country = "one" if number == 0 else rng.choice(("many",) * 30 + ("few",))
        start = AS_OF - timedelta(days=rng.randint(0, 500))
        end = start + timedelta(days=rng.choice((0, 1, 30, 31, rng.randint(0, 400), 10_000)))
        company.customers.append(Customer(f"c{number}", country=country))
        company.subscriptions.append(
            Subscription(f"s{number}", start, f"c{number}", ended_on=end, unit_price=Decimal(1))
        )
        ended = end <= AS_OF
        durations[country].append(((end if ended else AS_OF + timedelta(days=1)) - start, ended))
        if ended and rng.random() < 0.3:  # a second stay is no part of the curve
            company.subscriptions.append(
                Subscription(f"t{number}", end + timedelta(days=9), f"c{number}", unit_price=Decimal(1))
            )
    return company, {
        country: [(length.days, ended) for length, ended in stayed] for country, stayed in durations.items()
    }


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory) -> Warehouse:
    return Warehouse(tmp_path_factory.mktemp("warehouse"), ["survival_curves"])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_curves_are_those_of_lifelines(warehouse, seed):
    company, durations = stays(seed)
    durations["all"] = [stay for stayed in durations.values() for stay in stayed]
    curves = defaultdict(dict)
    for row in warehouse.build(company)["survival_curves"]:
        curves[row["segment"]][row["tenure_days"]] = row

    for segment, stayed in durations.items():
        fitter = KaplanMeierFitter(alpha=ALPHA).fit(*zip(*stayed, strict=True))
        events = fitter.event_table[fitter.event_table["observed"] > 0]
        assert sorted(curves[segment]) == list(events.index)
        for days, row in curves[segment].items():
            low, high = fitter.confidence_interval_.loc[days]
            assert (row["at_risk"], row["lost"]) == tuple(events.loc[days, ["at_risk", "observed"]])
            assert row["survival"] == pytest.approx(fitter.predict(days), abs=1e-9)
            if row["survival"]:
                assert (row["survival_low"], row["survival_high"]) == (
                    pytest.approx(low, abs=1e-9),
                    pytest.approx(high, abs=1e-9),
                )
            else:
                assert row["survival_low"] is row["survival_high"] is None
    assert len(curves["all"]) >= 30
