-- The answers that no alias explains, for a person to map: one row per normalised text that explains the end of a
-- spell.
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

alphabet as (
    select {{ alphabet_of('alias') }} as letters from {{ ref('int_reason_aliases') }}
),

aliases as (
    select aliases.*, {{ comparable_alias('aliases.alias', 'alphabet.letters') }} as comparable
    from {{ ref('int_reason_aliases') }} as aliases
    cross join alphabet
),

-- Measuring one text against every alias takes some milliseconds, and nobody maps more than these in one sitting.
measured_texts as (
    select texts.normalised, {{ comparable_text('texts.normalised', 'alphabet.letters') }} as comparable
    from (
        select normalised, row_number() over (order by count desc, normalised) as frequency_rank
        from texts
        where normalised <> ''
    ) as texts
    cross join alphabet
    where texts.frequency_rank <= 500
),

similarities as (
    select
        texts.normalised,
        aliases.alias,
        aliases.reason_code,
        aliases.language,
        1 - cast(levenshtein(texts.comparable, aliases.comparable) as double)
            / greatest(length(texts.comparable), length(aliases.comparable)) as similarity
    from measured_texts as texts
    cross join aliases
),

nearest as (
    select *
    from (
        select *, row_number() over (partition by normalised order by similarity desc, alias) as nearness
        from similarities
    ) as ranked
    where nearness = 1
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
left join nearest using (normalised)
