-- Every phrase that means a main reason, normalised: the product's seed and the company's own, which a person
-- confirmed. Where both name the same phrase, the company is right.
with written_aliases as (
    {% for row in var('own_reason_aliases') %}
    select
        {{ dbt.string_literal(dbt.escape_single_quotes(row.alias)) }} as alias,
        {{ dbt.string_literal(dbt.escape_single_quotes(row.reason_code)) }} as reason_code,
        {{ dbt.string_literal(dbt.escape_single_quotes(row.language)) }} as language,
        1 as precedence
    union all
    {% endfor %}
    select alias, reason_code, language, 2 as precedence from {{ ref('churn_reason_aliases') }}
),

normalised_aliases as (
    select {{ normalise_text('alias') }} as alias, reason_code, language, precedence from written_aliases
),

ranked_aliases as (
    select *, row_number() over (partition by alias order by precedence, reason_code) as choice
    from normalised_aliases
    where alias <> ''
)

select alias, reason_code, language
from ranked_aliases
where choice = 1
