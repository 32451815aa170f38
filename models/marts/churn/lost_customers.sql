-- Who is lost: every customer that has been active and is not at the opening of the day after as_of, with what explains
-- the loss and what winning back is worth. No names, no addresses.
with histories as (
    select
        customer_id,
        min(started_on) as first_active_on,
        max(spell_number) as spells,
        max_by(ended_on, spell_number) as lost_on,
        sum({{ days_between('started_on', 'ended_on') }}) as tenure_days
    from {{ ref('int_customer_spells') }}
    group by customer_id
    having count(*) = count(ended_on)
),

sales as (
    select
        histories.customer_id,
        max(case when invoices.amount > 0 then invoices.issued_on end) as last_purchase_on,
        sum(invoices.amount) as lifetime_revenue,
        sum(case
            when invoices.issued_on >= {{ add_days('histories.lost_on', -365) }}
                and invoices.issued_on < histories.lost_on
                then invoices.amount
        end) as sales_last_365_days
    from histories
    inner join {{ ref('int_invoices') }} as invoices using (customer_id)
    group by histories.customer_id
),

-- a grievance that nobody stated is taken for the one that is hardest to repair
lowest_rate as (
    select min(rate_if_heard) as rate from {{ ref('recovery_rates') }}
),

explained_losses as (
    select
        histories.*,
        sales.last_purchase_on,
        coalesce(sales.lifetime_revenue, 0) as lifetime_revenue,
        coalesce(sales.sales_last_365_days, 0) as sales_last_365_days,
        ends.reason_code,
        ends.nature,
        ends.control,
        ends.is_interviewed,
        complaints.severity,
        coalesce(
            {{ is_within_sla('first_response', 'complaints.opened_at', 'complaints.first_response_at') }}, false
        ) as is_answered_promptly
    from histories
    inner join {{ ref('int_spell_end_reasons') }} as ends
        on ends.customer_id = histories.customer_id and ends.spell_number = histories.spells
    left join {{ ref('int_spell_end_complaints') }} as complaints
        on complaints.customer_id = histories.customer_id and complaints.spell_number = histories.spells
    left join sales on sales.customer_id = histories.customer_id
),

valued_losses as (
    select
        explained_losses.*,
        {{ money('round(greatest(explained_losses.sales_last_365_days, 0) * case
            when explained_losses.nature = \'objective\' then 0
            when explained_losses.severity is null then lowest_rate.rate
            when explained_losses.is_answered_promptly then rates.rate_if_heard_promptly
            else rates.rate_if_heard
        end, 2)') }} as expected_recoverable_sales
    from explained_losses
    cross join lowest_rate
    left join {{ ref('recovery_rates') }} as rates using (severity)
)

select
    valued_losses.customer_id,
    valued_losses.lost_on,
    valued_losses.last_purchase_on,
    valued_losses.first_active_on,
    cast(valued_losses.tenure_days as integer) as tenure_days,
    valued_losses.spells,
    {{ money('valued_losses.lifetime_revenue') }} as lifetime_revenue,
    {{ money('valued_losses.sales_last_365_days') }} as sales_last_365_days,
    valued_losses.reason_code,
    valued_losses.nature,
    valued_losses.control,
    valued_losses.is_interviewed as interviewed,
    valued_losses.severity is not null as had_complaint,
    valued_losses.severity as complaint_severity,
    case
        when valued_losses.severity is not null then valued_losses.is_answered_promptly
    end as complaint_answered_promptly,
    customers.contact_allowed,
    channels.channel as best_channel,
    valued_losses.expected_recoverable_sales,
    cast(row_number() over (
        order by
            valued_losses.expected_recoverable_sales desc,
            valued_losses.sales_last_365_days desc,
            valued_losses.customer_id
    ) as bigint) as win_back_rank
from valued_losses
inner join {{ ref('int_customers') }} as customers using (customer_id)
left join {{ ref('int_best_channels') }} as channels using (customer_id)
