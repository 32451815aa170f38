-- What the customers bring is what the company has: its purchases, its MRR at the close and its days of activity.
with customers as (
    select
        coalesce(sum(purchases), 0) as purchases,
        coalesce(sum(purchase_amount), 0) as purchase_amount,
        coalesce(sum(mrr), 0) as mrr,
        coalesce(sum(tenure_days), 0) as tenure_days
    from {{ ref('customer_value') }}
),

company as (
    select
        (select count(*) from {{ ref('fct_purchases') }}) as purchases,
        (select coalesce(sum(amount), 0) from {{ ref('fct_purchases') }}) as purchase_amount,
        (
            select coalesce(sum(mrr_at_end), 0)
            from {{ ref('revenue_retention') }}
            where period_grain = 'month' and segment_type = 'all' and period_end = {{ add_days(as_of(), 1) }}
        ) as mrr,
        (select coalesce(sum(tenure_days), 0) from {{ ref('fct_customer_spells') }}) as tenure_days
)

select *
from customers
cross join company
where customers.purchases <> company.purchases
    or customers.purchase_amount <> company.purchase_amount
    or customers.mrr <> company.mrr
    or customers.tenure_days <> company.tenure_days
