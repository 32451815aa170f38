-- Each MRR movement of a customer starts from what the one before left, the first from nothing.
with movement_chain as (
    select
        *,
        coalesce(lag(mrr_after) over (partition by customer_id order by occurred_on), 0) as left_before
    from {{ ref('fct_mrr_movements') }}
)

select * from movement_chain where left_before <> mrr_before
