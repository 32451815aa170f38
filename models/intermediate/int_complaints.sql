{{ config(by='customer_id') }}
-- Complaints. A severity that nobody stated is minor.
select case_id, customer_id, opened_at, opened_on, first_response_at, coalesce(severity, 'minor') as severity
from {{ ref('int_cases') }}
where kind = 'complaint'
