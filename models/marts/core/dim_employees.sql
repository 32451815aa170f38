-- One row an employee, without names.
select employee_id, role, team
from {{ ref('stg_crm__employees') }}
