-- A closed month may change only with new extract rows, other policies, other definitions or an as_of that passes rows.
select versions.*
from {{ ref('closed_month_versions') }} as versions
inner join {{ source('quality', 'refresh_history') }} as refreshes
    on refreshes.refresh_id = versions.refresh_id and refreshes.status = 'running'
where versions.cause = 'unexplained'
