-- The middle purchase of each period and segment. Medians don't add up, and DuckDB would hold every amount in memory
-- for each of them, outside its limit: 2 GB for 13 million purchases. So purchases are counted by whole amounts first,
-- which do add up, and by the exact amount only where the middle is: within the limit, in 60 % of the time.
with purchases as {{ inlined() }} (
    select
        {{ period_number('purchases.issued_on', 'month') }} as month_number,
        customers.segment_set,
        purchases.amount,
        cast(floor(purchases.amount) as bigint) as whole_amount
    from {{ ref('fct_purchases') }} as purchases
    inner join {{ ref('int_customer_segment_sets') }} as customers using (customer_id)
),

set_counts as (
    select month_number, segment_set, whole_amount, count(*) as purchases
    from purchases
    group by month_number, segment_set, whole_amount
),

month_counts as (
    select
        set_counts.month_number as period_number,
        segments.segment_number,
        set_counts.whole_amount,
        sum(set_counts.purchases) as purchases
    from set_counts
    inner join {{ ref('int_segment_sets') }} as segments using (segment_set)
    group by set_counts.month_number, segments.segment_number, set_counts.whole_amount
),

{% for grain, finer in {'quarter': 'month', 'year': 'quarter'}.items() %}
{{ grain }}_counts as (
    select
        {{ coarser_number('period_number', finer, grain) }} as period_number,
        segment_number,
        whole_amount,
        sum(purchases) as purchases
    from {{ finer }}_counts
    group by {{ coarser_number('period_number', finer, grain) }}, segment_number, whole_amount
),

{% endfor %}

counts as (
    {% call(grain) by_grain() %}
    select '{{ grain }}' as period_grain, period_number, segment_number, whole_amount, purchases from {{ grain }}_counts
    {% endcall %}
),

placed_counts as (
    select
        *,
        sum(purchases) over (partition by period_grain, period_number, segment_number) as all_purchases,
        sum(purchases) over (
            partition by period_grain, period_number, segment_number order by whole_amount
        ) as purchases_up_to
    from counts
),

-- one whole amount, or two where the half of the purchases ends with the first
middle_counts as (
    select
        period_grain,
        period_number,
        segment_number,
        whole_amount,
        all_purchases,
        purchases_up_to - purchases as purchases_below
    from placed_counts
    where 2 * purchases_up_to >= all_purchases and 2 * (purchases_up_to - purchases) <= all_purchases
),

months as (
    select distinct month_number from set_counts
),

middle_sets as (
    {% call(grain) by_grain() %}
    select middle_counts.*, months.month_number, segments.segment_set
    from middle_counts
    inner join months on {{ coarser_number('months.month_number', 'month', grain) }} = middle_counts.period_number
    inner join {{ ref('int_segment_sets') }} as segments on segments.segment_number = middle_counts.segment_number
    where middle_counts.period_grain = '{{ grain }}'
    {% endcall %}
),

amounts as (
    select
        middle_sets.period_grain,
        middle_sets.period_number,
        middle_sets.segment_number,
        middle_sets.all_purchases,
        middle_sets.purchases_below,
        middle_sets.whole_amount,
        purchases.amount,
        count(*) as purchases
    from purchases
    inner join middle_sets
        on middle_sets.month_number = purchases.month_number
        and middle_sets.segment_set = purchases.segment_set
        and middle_sets.whole_amount = purchases.whole_amount
    group by
        middle_sets.period_grain,
        middle_sets.period_number,
        middle_sets.segment_number,
        middle_sets.all_purchases,
        middle_sets.purchases_below,
        middle_sets.whole_amount,
        purchases.amount
),

placed_amounts as (
    select
        *,
        purchases_below + sum(purchases) over (
            partition by period_grain, period_number, segment_number, whole_amount order by amount
        ) as purchases_up_to
    from amounts
),

-- of an even number of purchases the two in the middle, of an odd one the one twice
middle_two as (
    select
        period_grain,
        period_number,
        segment_number,
        min(case when 2 * purchases_up_to >= all_purchases then amount end)
        + min(case when 2 * purchases_up_to > all_purchases then amount end) as amount
    from placed_amounts
    group by period_grain, period_number, segment_number
),

segments as (
    select distinct segment_number, segment_type, segment from {{ ref('int_segment_sets') }}
)

select
    middle_two.period_grain,
    middle_two.period_number,
    segments.segment_type,
    segments.segment,
    {{ money(exact_money_ratio(cents('middle_two.amount'), '200')) }} as median_check
from middle_two
inner join segments using (segment_number)
