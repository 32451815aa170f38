-- Closed months whose numbers changed after they had been published: what was published, what is known now, and why.
with versions as (
    select versions.*, refreshes.started_at
    from {{ ref('closed_month_versions') }} as versions
    inner join {{ source('quality', 'refresh_history') }} as refreshes using (refresh_id)
    -- the running refresh is about to be published
    where refreshes.status in ('published', 'running')
),

version_comparisons as (
    select
        *,
        row_number() over (partition by period_start order by refresh_id) as version_number,
        {{ safe_divide('customers_lost', 'customers_at_start') }} as churn_rate,
        first_value({{ safe_divide('customers_lost', 'customers_at_start') }}) over each_month
            as churn_rate_first_published,
        lag({{ safe_divide('customers_lost', 'customers_at_start') }}) over each_month as churn_rate_before,
        customers_at_start - lag(customers_at_start) over each_month as customers_at_start_change,
        customers_lost - lag(customers_lost) over each_month as customers_lost_change,
        customers_at_end - lag(customers_at_end) over each_month as customers_at_end_change,
        mrr_at_start - lag(mrr_at_start) over each_month as mrr_at_start_change,
        mrr_churned - lag(mrr_churned) over each_month as mrr_churned_change,
        mrr_at_end - lag(mrr_at_end) over each_month as mrr_at_end_change
    from versions
    window each_month as (partition by period_start order by refresh_id)
)

select
    period_start,
    refresh_id,
    started_at as restated_at,
    churn_rate_first_published,
    churn_rate_before,
    churn_rate,
    customers_at_start_change,
    customers_lost_change,
    customers_at_end_change,
    {{ money('mrr_at_start_change') }} as mrr_at_start_change,
    {{ money('mrr_churned_change') }} as mrr_churned_change,
    {{ money('mrr_at_end_change') }} as mrr_at_end_change,
    cause,
    files
from version_comparisons
where version_number > 1
