-- Each distinct reason as people wrote it, with the main reason that it means: the alias that equals it, else the only
-- reason whose aliases are similar enough, else none (`reason_code` 'unmapped').
with written_texts as (
    select reason as reason_text from {{ ref('int_departures') }}
    union
    select end_reason from {{ ref('int_counting_rows') }}
),

texts as (
    select reason_text, {{ normalise_text('reason_text') }} as normalised
    from written_texts
    where reason_text is not null
),

alphabet as (
    select {{ alphabet_of('alias') }} as letters from {{ ref('int_reason_aliases') }}
),

-- made comparable once, not for every pair
aliases as (
    select aliases.alias, aliases.reason_code, {{ comparable_alias('aliases.alias', 'alphabet.letters') }} as comparable
    from {{ ref('int_reason_aliases') }} as aliases
    cross join alphabet
),

unmatched_texts as (
    select distinct texts.normalised, {{ comparable_text('texts.normalised', 'alphabet.letters') }} as comparable
    from texts
    cross join alphabet
    where texts.normalised <> '' and not exists (select 1 from aliases where aliases.alias = texts.normalised)
),

-- A text that is similar to an alias of n letters differs from it in at most 15 % of n ÷ 0.85 places. Cut into one
-- piece more than that, the alias leaves a piece whole in the text: that is found ten times faster than a distance is
-- measured.
numbered_pieces as (
    select
        alias,
        reason_code,
        comparable,
        {{ integer_divide(
            'length(comparable)', integer_divide('3 * length(comparable)', 17) ~ ' + 1'
        ) }} as piece_length,
        {{ number_series(0, integer_divide('3 * length(comparable)', 17)) }} as piece_number
    from aliases
),

-- Similarity = 1 − distance ÷ longer length, compared in whole numbers. In the condition of the join, after the piece:
-- of a `where` Spark measures the distance first.
close_aliases as (
    select unmatched_texts.normalised, pieces.reason_code
    from unmatched_texts
    inner join numbered_pieces as pieces
        on
            contains(
                unmatched_texts.comparable,
                substr(pieces.comparable, cast(piece_number * piece_length + 1 as integer), piece_length)
            )
            and 100 * levenshtein(unmatched_texts.comparable, pieces.comparable)
            <= 15 * greatest(length(unmatched_texts.comparable), length(pieces.comparable))
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
left join by_similarity using (normalised)
