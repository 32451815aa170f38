-- The answers that no alias explains, for a person to map: one row a normalised text that explains the end of a spell.
with ends as (
    select normalised_reason as normalised, reason_text, count(*) as ends
    from {{ ref('int_spell_end_reasons') }}
    where reason_code = 'unmapped'
    group by normalised_reason, reason_text
),

-- of several spellings the most frequent one speaks for all
texts as (
    select normalised, max_by(reason_text, spelling_number) as text, cast(sum(ends) as bigint) as count
    from (
        select *, row_number() over (partition by normalised order by ends, reason_text desc) as spelling_number
        from ends
    ) as spellings
    group by normalised
),

-- Measuring one text against every alias takes some 10 ms, and nobody maps more than these in one sitting.
measured_texts as (
    select normalised
    from texts
    where normalised <> ''
    qualify row_number() over (order by count desc, normalised) <= 500
),

aliases as (
    select alias, reason_code, language from {{ ref('int_reason_aliases') }}
),

alphabet as (
    select {{ alphabet_of('alias') }} as letters from aliases
),

measured as (
    select
        texts.normalised,
        aliases.alias,
        aliases.reason_code,
        aliases.language,
        1 - cast({{ character_distance('texts.normalised', 'aliases.alias', 'alphabet.letters') }} as double)
            / greatest(length(texts.normalised), length(aliases.alias)) as similarity
    from measured_texts as texts
    cross join aliases
    cross join alphabet
),

nearest as (
    select *
    from measured
    qualify row_number() over (partition by normalised order by similarity desc, alias) = 1
)

select
    texts.text,
    texts.normalised,
    texts.count,
    nearest.alias as nearest_alias,
    nearest.reason_code as nearest_reason_code,
    nearest.language as nearest_language,
    nearest.similarity
from texts
left join nearest on nearest.normalised = texts.normalised
