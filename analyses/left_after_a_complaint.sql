-- Question: Who left after a complaint and is worth a call?
-- Rows:     one per customer lost in the last year who had complained in the 180 days before; whom to win back first
--           at the top.
-- Read:     expected_recoverable_sales is what they bought in their last 365 days × the share of such customers who
--           buy again (Kotler's rates by severity and promptness); 0 where no offer could change the reason.
--           can_be_written_to needs both consent and an address: `churn mailing-list` writes those customers to a
--           file, with names.
-- Traps:    a complaint before an end need not be its cause: reason_code is what the customer said, if anyone asked.
--           Severity is minor where the case states none.
select
    lost.win_back_rank,
    lost.customer_id,
    lost.lost_on,
    lost.complaint_severity,
    lost.complaint_answered_promptly,
    lost.reason_code,
    lost.sales_last_365_days,
    lost.expected_recoverable_sales,
    coalesce(lost.contact_allowed, false) and lost.best_channel is not null as can_be_written_to,
    lost.best_channel,
    customers.account_manager_id,
    staff.team
from {{ ref('lost_customers') }} as lost
inner join {{ ref('dim_customers') }} as customers using (customer_id)
left join {{ ref('dim_employees') }} as staff on staff.employee_id = customers.account_manager_id
where
    lost.had_complaint
    -- The open period ends on the day after as_of.
    and lost.lost_on >= (
        select max(period_end) - interval 1 year from {{ ref('churn_rates') }} where period_grain = 'month'
    )
order by lost.win_back_rank
