-- One row per employee, without names. Nor with roles, which nothing splits by and which may name somebody.
select employee_id, team
from {{ ref('stg_crm__employees') }}
