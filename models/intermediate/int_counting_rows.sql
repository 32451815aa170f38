{{ config(by='customer_id') }}
-- Subscription rows that count as activity, from the first day after their trial. What starts after as_of does not
-- exist yet (`exists_yet` is false); an end after as_of is scheduled, not an end.
with paying_rows as (
    select
        *,
        coalesce(trial_ends_on, started_on) as active_from
    from {{ ref('int_subscription_amounts') }}
    where has_paying_status
        and {% if var('count_free_plans') %}monthly_amount >= 0{% else %}monthly_amount > 0{% endif %}
        -- inactive before it began
        and (ended_on is null or ended_on >= started_on)
        -- ended in or with its trial
        and (trial_ends_on is null or ended_on is null or ended_on > trial_ends_on)
)

select
    customer_id,
    subscription_id,
    plan_id,
    started_on as row_started_on,
    active_from as started_on,
    case when ended_on <= {{ as_of() }} then ended_on end as ended_on,
    case when ended_on > {{ as_of() }} then ended_on end as scheduled_end_on,
    active_from <= {{ as_of() }} as exists_yet,
    monthly_amount,
    end_reason,
    is_inactive_since_unknown,
    delivery_number,
    written_on
from paying_rows
