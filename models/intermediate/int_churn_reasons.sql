-- The main reasons and the two that stand for "we don't know": nobody asked, or nobody mapped the answer yet.
select reason_code, reason, reason_group, nature, control
from {{ ref('main_reasons') }}
union all
select 'not_asked', '(not asked)', 'unknown', 'unknown', 'unknown'
union all
select 'unmapped', '(unmapped)', 'unknown', 'unknown', 'unknown'
