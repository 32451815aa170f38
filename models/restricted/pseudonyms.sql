-- What stands behind the pseudonyms that are published in place of ids.
select identifies, id as pseudonym, spelling as original
from {{ source('raw', 'spellings') }}
where is_pseudonym
