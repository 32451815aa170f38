"""Marts gate: is what will be published possible, does it add up for the whole company, has the past moved?

Ranges of rates and amounts, identities at company level (also from mart to mart) and jumps against the last publish.
Keys, relationships and what must hold in every row of every segment are dbt tests alongside the models; what they check
is not checked again here.
"""

from __future__ import annotations

from collections.abc import Mapping

from expectations import thresholds
from expectations.checks import CheckSpec, Severity, breaches

COMPANY = "segment_type = 'all'"
PERIOD = "period_grain || ' ' || period_start"
PERIOD_AND_SEGMENT_TYPE = f"{PERIOD} || case when {COMPANY} then '' else ' by ' || segment_type end"


def checks() -> list[CheckSpec]:
    return [
        *_fct_customer_spells(),
        *_fct_purchases(),
        *_churn_rates(),
        *_churn_rate_by_definition(),
        *_revenue_retention(),
        *_cohort_retention(),
        *_lost_revenue(),
        *_reasons_and_lost_customers(),
        *_restatements(),
        *_restricted(),
        *_risk(),
        *_value(),
        *_loyalty(),
    ]


def _fct_customer_spells() -> list[CheckSpec]:
    table = "marts.fct_customer_spells"
    return [
        CheckSpec(
            "activity",
            "marts",
            table,
            "warning",
            "Anyone was ever active; without activity the marts are empty",
            f"select 'spells' as subject, count(*) as measure from {table}",
            minimum=1,
        ),
    ]


def _fct_purchases() -> list[CheckSpec]:
    table = "marts.fct_purchases"
    low, high = thresholds.PLAUSIBLE_CHECK_RATIO
    return [
        _range(
            "amounts_above_zero",
            table,
            "Every purchase has an amount above zero",
            "amount > 0",
            key="cast(issued_on as varchar)",
            subject="'rows'",
        ),
        # a file in cents among files in whole units, or the other way round
        CheckSpec(
            "plausible_median_check",
            "marts",
            table,
            "warning",
            "The median purchase of the last whole month is near that of the months before",
            f"""
            with months as (
                select date_trunc('month', issued_on) as month, amount, max(month) over () as newest
                from {table}
                where last_day(issued_on) <= $as_of
            )
            select strftime(any_value(newest), 'month %Y-%m-%d') as subject,
                median(amount) filter (month = newest) / median(amount) filter (month < newest) as measure
            from months
            having least(count(*) filter (month = newest), count(*) filter (month < newest)) >= {thresholds.ENOUGH_ROWS}
            """,
            minimum=low,
            maximum=high,
        ),
    ]


def _churn_rates() -> list[CheckSpec]:
    table = "marts.churn_rates"
    return [
        _range(
            "counts_not_negative",
            table,
            "No count of customers is below zero",
            """least(customers_at_start, customers_lost, customers_lost_voluntary, customers_lost_involuntary,
                customers_lost_unknown,
                customers_kept, customers_new, customers_returned, customers_passed_through, customers_at_end) >= 0""",
        ),
        _range(
            "rates_in_range",
            table,
            "Rates lie between 0 and 1 and inside their interval of confidence; null only with nobody at start",
            """case when customers_at_start = 0
                then coalesce(churn_rate, churn_rate_low, churn_rate_high, retention_rate, net_loss_rate) is null
                else 0 <= churn_rate_low and churn_rate_low <= churn_rate and churn_rate <= churn_rate_high
                    and churn_rate_high <= 1
                    and retention_rate between 0 and 1 and net_loss_rate <= 1 end""",
        ),
        # by another way than the mart's running sums: spells that are open at the opening of period_end
        _identity(
            "end_is_open_spells",
            table,
            "customers_at_end = the spells that are open at the opening of period_end",
            "customers_at_end = open_spells",
            relation=f"""(
                with changes as (
                    select day, sum(change) as change
                    from (
                        select started_on as day, 1 as change from marts.fct_customer_spells
                        union all
                        select ended_on, -1 from marts.fct_customer_spells where ended_on is not null
                    )
                    group by day
                )
                select periods.*, coalesce(sum(changes.change), 0) as open_spells
                from (select * from {table} where {COMPANY}) as periods
                left join changes on changes.day < periods.period_end
                group by all
            )""",
        ),
        _plausible("plausible_churn_rate", table, "churn_rate", thresholds.PLAUSIBLE_CHURN_RATE),
        _jump("churn_rate_jump", table, "churn_rate", thresholds.JUMP_RATE),
        _jump("customers_jump", table, "customers_at_end", thresholds.JUMP_SHARE, relative=True),
    ]


def _churn_rate_by_definition() -> list[CheckSpec]:
    table = "marts.churn_rate_by_definition"
    return [
        _range(
            "rates_in_range",
            table,
            "Each definition's rate lies in the range that it can take",
            """rate is null or case definition
                when 'lost_over_start' then rate between 0 and 1
                when 'lost_over_start_and_new' then rate between 0 and 1
                when 'lost_over_average' then rate between 0 and 2
                when 'net_change' then rate <= 1
                else rate >= 0 end""",
        ),
        _identity(
            "lost_over_start_is_churn_rate",
            table,
            "lost_over_start = churn_rates.churn_rate",
            "rate is not distinct from churn_rate",
            relation=f"""(
                select rates.*, definitions.rate
                from (select * from marts.churn_rates where {COMPANY}) as rates
                left join {table} as definitions
                    on definitions.definition = 'lost_over_start' and definitions.period_grain = rates.period_grain
                    and definitions.period_start = rates.period_start and definitions.segment_type = rates.segment_type
            )""",
        ),
    ]


def _revenue_retention() -> list[CheckSpec]:
    table = "marts.revenue_retention"
    return [
        _range(
            "amounts_not_negative",
            table,
            "No amount of MRR is below zero",
            "least(mrr_at_start, mrr_new, mrr_reactivated, mrr_expanded, mrr_contracted, mrr_churned, mrr_at_end,"
            " arr_at_end) >= 0",
        ),
        _range(
            "rates_in_range",
            table,
            "Gross rates lie between 0 and 1, net retention and quick ratio are not below zero;"
            " null only with no MRR at start",
            """case when mrr_at_start = 0
                then coalesce(gross_revenue_churn_rate, gross_revenue_retention, net_revenue_retention) is null
                else gross_revenue_churn_rate between 0 and 1 and gross_revenue_retention between 0 and 1
                    and net_revenue_retention >= 0 end
            and coalesce(quick_ratio >= 0, mrr_churned + mrr_contracted = 0)""",
        ),
        _identity(
            "end_is_sum_of_movements",
            table,
            "mrr_at_end = the sum of all movements before period_end",
            "mrr_at_end = moved",
            relation=f"""(
                select periods.*, coalesce(sum(changes.change), 0) as moved
                from (select * from {table} where {COMPANY}) as periods
                left join (select occurred_on, sum(mrr_change) as change from marts.fct_mrr_movements
                    group by occurred_on) as changes
                    on changes.occurred_on < periods.period_end
                group by all
            )""",
        ),
        _plausible(
            "plausible_net_retention", table, "net_revenue_retention", thresholds.PLAUSIBLE_NET_REVENUE_RETENTION
        ),
        _jump("mrr_jump", table, "mrr_at_end", thresholds.JUMP_SHARE, relative=True),
    ]


def _cohort_retention() -> list[CheckSpec]:
    table = "marts.cohort_retention"
    cell = "cohort_grain || ' ' || cohort_start || ' age ' || age"
    periods = f"(select cohort_grain as period_grain, * from {table} where {COMPANY})"
    return [
        _range(
            "counts_within_cohort",
            table,
            "No count of customers is below zero or above the cohort's size",
            """least(customers_active, customers_at_close, customers_purchasing) >= 0
            and greatest(customers_active, customers_at_close, customers_purchasing) <= cohort_size""",
            key=cell,
            subject="cohort_grain",
        ),
        _range(
            "rates_in_range",
            table,
            "Rates lie between 0 and 1, retention is 1 at age 0; null only in a period that is not over",
            """case when is_complete
                then retention_rate between 0 and 1 and close_retention_rate between 0 and 1
                    and purchase_rate between 0 and 1
                    and (age > 0 or retention_rate = 1)
                else coalesce(retention_rate, close_retention_rate, purchase_rate, mrr_retention_rate) is null end""",
            key=cell,
            subject="cohort_grain",
        ),
        _identity(
            "revenue_accumulates",
            table,
            "cumulative_revenue = the sum of the cohort's revenue so far",
            "cumulative_revenue = added_up",
            relation=(
                "(select *, sum(revenue) over (partition by period_grain, cohort_start order by age) as added_up"
                f" from {periods})"
            ),
        ),
        _identity(
            "revenue_reconciles",
            table,
            "Revenue of all cohorts + revenue in no cohort = revenue of all invoices",
            "in_cohorts + in_no_cohort = revenue",
            relation=f"""(
                with days as (
                    select issued_on, sum(amount) as revenue,
                        coalesce(
                            sum(amount) filter (first.started_on is null or issued_on < first.started_on), 0
                        ) as in_no_cohort
                    from intermediate.int_invoices as invoices
                    left join marts.fct_customer_spells as first on first.customer_id = invoices.customer_id
                        and first.spell_number = 1
                    group by issued_on
                ),
                cohorts as (
                    select period_grain, period_start, period_end, sum(revenue) as in_cohorts
                    from {periods}
                    group by all
                )
                select cohorts.*, 'all' as segment_type, coalesce(sum(days.revenue), 0) as revenue,
                    coalesce(sum(days.in_no_cohort), 0) as in_no_cohort
                from cohorts
                left join days on days.issued_on >= cohorts.period_start and days.issued_on < cohorts.period_end
                group by all
            )""",
        ),
    ]


def _lost_revenue() -> list[CheckSpec]:
    table = "marts.lost_revenue"
    return [
        _range(
            "counts_and_rate_in_range",
            table,
            "customers_lost lies between 0 and customers_at_start, churn_rate between 0 and 1",
            "customers_lost between 0 and customers_at_start"
            " and coalesce(churn_rate between 0 and 1, customers_at_start = 0)",
        ),
        _range(
            "plausible_profit_margin",
            table,
            "The company's profit margin lies between −1 and 1",
            "profit_margin is null or profit_margin between -1 and 1",
            severity="warning",
            among=COMPANY,
        ),
        _range(
            "prompt_recovers_more",
            table,
            "Sales recoverable if heard promptly are not below those recoverable if heard,"
            " nor above the lost ones' own sales",
            "recoverable_sales_if_heard <= recoverable_sales_if_heard_promptly"
            " and recoverable_sales_if_heard_promptly <= lost_customers_sales",
            severity="warning",
            among=COMPANY,  # credit notes can turn the order
        ),
        _identity(
            "lost_as_in_churn_rates",
            table,
            "customers_at_start and customers_lost are those of churn_rates",
            "here.customers_at_start = customers_at_start and here.customers_lost = customers_lost",
            relation=f"""(
                select rates.*, struct_pack(
                    customers_at_start := lost.customers_at_start, customers_lost := lost.customers_lost
                ) as here
                from (select * from marts.churn_rates where {COMPANY}) as rates
                left join {table} as lost using (period_grain, period_start, segment_type, segment)
            )""",
        ),
        _jump("lost_sales_jump", table, "lost_sales", thresholds.JUMP_SHARE, relative=True),
    ]


def _reasons_and_lost_customers() -> list[CheckSpec]:
    reasons, lost, win_back = "marts.churn_reasons", "marts.lost_customers", "marts.win_back_results"
    return [
        _range(
            "shares_in_range",
            reasons,
            "Each reason's share of the lost lies between 0 and 1",
            "coalesce(share_of_lost between 0 and 1, customers_lost = 0)",
            key=f"{PERIOD_AND_SEGMENT_TYPE} || ' ' || reason_code",
        ),
        CheckSpec(
            "reasons_mapped",
            "marts",
            reasons,
            "warning",
            "Few reasons that somebody stated are unmapped; more aliases would tell them apart",
            f"""
            select {PERIOD} as subject, unmapped / stated as measure, stated as evaluated, unmapped as failed
            from (
                select period_grain, period_start, sum(customers_lost) as stated,
                    sum(if(reason_code = 'unmapped', customers_lost, 0)) as unmapped
                from {reasons}
                where {COMPANY} and period_grain = 'quarter' and reason_code <> 'not_asked' and customers_lost > 0
                group by all
            )
            """,
            maximum=thresholds.UNMAPPED_SHARE,
        ),
        _range(
            "days_in_order",
            lost,
            "Everyone is active first, then lost by as_of, and no longer active than from the one day to the other",
            "first_active_on <= lost_on and lost_on <= $as_of and tenure_days <= lost_on - first_active_on",
            key="'lost on ' || lost_on",
            subject="'rows'",
        ),
        _range(
            "rates_in_range",
            win_back,
            "Return rates lie between 0 and 1",
            "coalesce(least(return_rate_30d, return_rate_90d, return_rate_365d) >= 0"
            " and greatest(return_rate_30d, return_rate_90d, return_rate_365d) <= 1, true)",
            key="'a campaign on ' || channel",
            subject="'rows'",
        ),
    ]


def _restatements() -> list[CheckSpec]:
    table = "marts.restatements"
    return [
        CheckSpec(
            "few_months_restated",
            "marts",
            table,
            "warning",
            "This refresh restates few closed months",
            f"""
            select 'closed months' as subject, count(changed.period_start) / nullif(count(*), 0) as measure,
                count(*) as evaluated,
                count(changed.period_start) as failed
            from marts.churn_rates as months
            left join (
                select period_start from {table}
                where refresh_id in (select refresh_id from quality.refresh_history where status = 'running')
            ) as changed using (period_start)
            where {COMPANY} and period_grain = 'month' and is_complete
            """,
            maximum=thresholds.RESTATED_SHARE,
        ),
    ]


def _restricted() -> list[CheckSpec]:
    """Of tables with personal data: what a check names is a rank or a number, never a text or an id."""
    contacts, unmapped = "restricted.win_back_contacts", "restricted.unmapped_reasons"
    return [
        CheckSpec(
            "contacts_may_be_written_to",
            "marts",
            contacts,
            "critical",
            "Everyone on the mailing list is lost, has agreed, and stands under the best channel",
            breaches(
                f"(select contacts.*, lost.best_channel, lost.contact_allowed from {contacts} as contacts"
                " left join marts.lost_customers as lost using (customer_id))",
                holds="contact_allowed and channel = best_channel",
                key="'rank ' || win_back_rank",
            ),
            maximum=0,
        ),
        CheckSpec(
            "no_text_worth_mapping",
            "marts",
            unmapped,
            "warning",
            "No unmapped text stands for many departures; `churn reasons` maps it",
            f"""
            select 'the most frequent text' as subject, coalesce(max(count), 0) / nullif(stated, 0) as measure,
                stated as evaluated, coalesce(max(count), 0) as failed
            from (select count(*) as stated from intermediate.int_spell_end_reasons
                where reason_code <> 'not_asked') as ends
            left join {unmapped} on true
            group by stated
            """,
            maximum=thresholds.UNMAPPED_TEXT_SHARE,
        ),
    ]


def _risk() -> list[CheckSpec]:
    customers, backtest, survival = "marts.at_risk_customers", "marts.at_risk_backtest", "marts.survival_curves"
    return [
        CheckSpec(
            "plausible_share",
            "marts",
            customers,
            "warning",
            "The list names few of the active customers; one that names most of them says nothing",
            f"""
            select 'active customers' as subject, (select count(*) from {customers}) / nullif(count(*), 0) as measure
            from marts.fct_customer_spells
            where is_open
            """,
            maximum=thresholds.PLAUSIBLE_AT_RISK_SHARE,
        ),
        _range(
            "rates_in_range",
            backtest,
            "Precision, recall and base rate lie between 0 and 1, the lift is not below zero",
            """coalesce(precision between 0 and 1, flagged = 0)
            and coalesce(recall between 0 and 1, lost_within_90d = 0)
            and coalesce(base_rate between 0 and 1, customers = 0) and coalesce(lift >= 0, true)""",
            key="quarter_start || ' ' || signal",
            subject="signal",
        ),
        CheckSpec(
            "survival_falls",
            "marts",
            survival,
            "critical",
            "The longer the tenure, the fewer are left and the lower is survival",
            breaches(
                f"""(
                    select *, lag(survival, 1, 1) over by_tenure as survival_before,
                        lag(at_risk - lost, 1, at_risk) over by_tenure as left_before
                    from {survival}
                    window by_tenure as (partition by segment_type, segment order by tenure_days)
                )""",
                holds="survival < survival_before and at_risk <= left_before",
                key="segment_type || ' at ' || tenure_days || ' days'",
                subject="segment_type",
            ),
            maximum=0,
        ),
    ]


def _value() -> list[CheckSpec]:
    customers, lifetime = "marts.customer_value", "marts.lifetime_value"
    return [
        CheckSpec(
            "money_reconciles",
            "marts",
            customers,
            "critical",
            "Revenue and MRR of all customers are those of all invoices and movements",
            f"""
            select 'revenue' as subject,
                sum(revenue) - (select coalesce(sum(amount), 0) from intermediate.int_invoices) as measure
            from {customers}
            union all
            select 'MRR', sum(mrr) - (select coalesce(sum(mrr_change), 0) from marts.fct_mrr_movements) from {customers}
            """,
            minimum=0,
            maximum=0,
        ),
        _range(
            "lifetime_in_range",
            lifetime,
            "Churn rates lie between 0 and 1, and a lifetime brings no less than a period of it",
            # a lifetime's value is of rounded parts
            """coalesce(churn_rate between 0 and 1, true)
            and coalesce(abs(lifetime_value)
                >= abs(average_sales_per_customer * profit_margin) - 0.01 * (1 + abs(profit_margin)), true)""",
        ),
    ]


def _loyalty() -> list[CheckSpec]:
    check, staff, service = "marts.average_check", "marts.staff_retention", "marts.service_levels"
    nps, scorecard = "marts.net_promoter_score", "marts.loyalty_scorecard"
    return [
        _identity(
            "purchases_reconcile",
            check,
            "Purchases and their amount are those of fct_purchases",
            "purchases = counted and purchase_amount = amount",
            relation=f"""(
                select periods.*, coalesce(sum(days.counted), 0) as counted, coalesce(sum(days.amount), 0) as amount
                from (select * from {check} where {COMPANY}) as periods
                left join (select issued_on, count(*) as counted, sum(amount) as amount from marts.fct_purchases
                    group by issued_on) as days
                    on days.issued_on >= periods.period_start and days.issued_on < periods.period_end
                group by all
            )""",
        ),
        _range(
            "rates_in_range",
            staff,
            "Return rates lie between 0 and 1 and inside their interval of confidence; null only with nobody observed",
            """case when observed_90d = 0 then coalesce(return_rate_90d, return_rate_same_employee_90d) is null
                else 0 <= return_rate_90d_low and return_rate_90d_low <= return_rate_90d
                    and return_rate_90d <= return_rate_90d_high and return_rate_90d_high <= 1
                    and return_rate_same_employee_90d_low <= return_rate_same_employee_90d
                    and return_rate_same_employee_90d <= return_rate_same_employee_90d_high
                    and return_rate_same_employee_90d <= return_rate_90d end""",
            key="employee_id || ' ' || period_start",
            subject="'rows'",
        ),
        _range(
            "hours_and_rates_in_range",
            service,
            "Hours are not below zero, the 90th percentile not below the median, rates between 0 and 1",
            """coalesce(0 <= first_response_hours_median and first_response_hours_median <= first_response_hours_p90,
                cases_answered = 0)
            and coalesce(0 <= resolution_hours_median and resolution_hours_median <= resolution_hours_p90,
                cases_resolved = 0)
            and coalesce(first_response_sla_rate between 0 and 1, first_response_due = 0)
            and coalesce(resolution_sla_rate between 0 and 1, resolution_due = 0)
            and coalesce(csat between 0 and 1, csat_responses = 0)""",
            key=f"{PERIOD} || ' by ' || dimension",
        ),
        _jump("nps_jump", nps, "nps", thresholds.JUMP_NPS),
        CheckSpec(
            "agrees_with_its_sources",
            "marts",
            scorecard,
            "critical",
            "Churn rate and lost sales are those of churn_rates and lost_revenue",
            breaches(
                f"""(
                    select scorecard.*, rates.churn_rate as source_rate, lost.lost_sales as source_sales
                    from (select * from marts.churn_rates where {COMPANY}) as rates
                    join marts.lost_revenue as lost using (period_grain, period_start, segment_type, segment)
                    left join {scorecard} as scorecard using (period_grain, period_start)
                )""",
                holds=(
                    "churn_rate is not distinct from source_rate and lost_sales is not distinct from source_sales"
                    " and period_start is not null"
                ),
                key=PERIOD,
                subject="period_grain",
            ),
            maximum=0,
        ),
    ]


def _range(
    name: str,
    table: str,
    description: str,
    holds: str,
    *,
    severity: Severity = "critical",
    key: str = PERIOD_AND_SEGMENT_TYPE,
    subject: str = "period_grain",
    among: str = "true",
) -> CheckSpec:
    sql = breaches(table, holds=holds, key=key, subject=subject, among=among)
    return CheckSpec(name, "marts", table, severity, description, sql, maximum=0)


def _identity(name: str, table: str, description: str, holds: str, *, relation: str | None = None) -> CheckSpec:
    """An equation that must hold in every period of the whole company, calculated in integers and exact decimals."""
    sql = breaches(relation or table, holds=holds, key=PERIOD, subject="period_grain", among=COMPANY)
    return CheckSpec(name, "marts", table, "critical", description, sql, maximum=0)


def _plausible(name: str, table: str, column: str, limits: Mapping[str, tuple[float, float]]) -> CheckSpec:
    """A rate of the whole company lies where rates usually do; asked of periods that began with enough customers."""
    usual = " ".join(f"when '{grain}' then {column} between {low} and {high}" for grain, (low, high) in limits.items())
    sql = breaches(
        f"""{table} join (
            select period_grain, period_start, segment_type, customers_at_start as opening from marts.churn_rates
            where {COMPANY}
        ) using (period_grain, period_start, segment_type)""",
        holds=f"case period_grain {usual} end",
        key=PERIOD,
        subject="period_grain",
        among=f"opening >= {thresholds.ENOUGH_CUSTOMERS} and {column} is not null",
    )
    return CheckSpec(name, "marts", table, "warning", f"The company's {column} is plausible", sql, maximum=0)


def _jump(name: str, table: str, column: str, limit: float, *, relative: bool = False) -> CheckSpec:
    """A closed period of the whole company reads about as it did in the last publish."""
    difference = f"abs(now.{column} - before.{column})"
    if relative:
        difference = f"{difference} / nullif(greatest(abs(now.{column}), abs(before.{column})), 0)"
    sql = f"""
        select {PERIOD} as subject, {difference} as measure
        from {table} as now
        join previous.{table} as before using (period_grain, period_start, period_end, segment_type)
        where {COMPANY} and now.is_complete and before.is_complete
        order by subject
    """
    keys = ("period_grain", "period_start", "period_end", "segment_type", "is_complete")
    return CheckSpec(
        name,
        "marts",
        table,
        "warning",
        f"{column} of closed periods is that of the last publish",
        sql,
        maximum=limit,
        compares=(*keys, column),
    )
