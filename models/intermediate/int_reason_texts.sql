-- Each distinct reason as people wrote it, with the main reason that it means: the alias that equals it, else the only
-- reason whose aliases are similar enough, else none (`reason_code` 'unmapped').
with written as (
    select reason as reason_text from {{ ref('int_departures') }}
    union
    select end_reason from {{ ref('int_counting_rows') }}
),

texts as (
    select reason_text, {{ normalise_text('reason_text') }} as normalised
    from written
    where reason_text is not null
),

aliases as (
    select alias, reason_code from {{ ref('int_reason_aliases') }}
),

unmatched as (
    select distinct normalised
    from texts
    where normalised not in (select alias from aliases) and normalised <> ''
),

alphabet as (
    select {{ alphabet_of('alias') }} as letters from aliases
),

-- similarity = 1 − distance ÷ longer length, compared in whole numbers
close_aliases as (
    select unmatched.normalised, aliases.reason_code
    from unmatched
    inner join aliases
        on 100 * abs(length(unmatched.normalised) - length(aliases.alias))
            <= 15 * greatest(length(unmatched.normalised), length(aliases.alias))
    cross join alphabet
    where 100 * {{ character_distance('unmatched.normalised', 'aliases.alias', 'alphabet.letters') }}
        <= 15 * greatest(length(unmatched.normalised), length(aliases.alias))
),

by_similarity as (
    select normalised, min(reason_code) as reason_code
    from close_aliases
    group by normalised
    having count(distinct reason_code) = 1
)

select
    texts.reason_text,
    texts.normalised,
    coalesce(aliases.reason_code, by_similarity.reason_code, 'unmapped') as reason_code
from texts
left join aliases on aliases.alias = texts.normalised
left join by_similarity on by_similarity.normalised = texts.normalised
