{#- Text functions that engines spell differently. -#}

{% macro json_text(document, key) %}{{ return(adapter.dispatch('json_text')(document, key)) }}{% endmacro %}
{#- Spark's paths know no key with an apostrophe. -#}
{% macro spark__json_text(document, key) -%}
    {%- set literal = dbt.string_literal(dbt.escape_single_quotes(key | replace('\\', '\\\\'))) -%}
    try_element_at(from_json({{ document }}, 'map<string, string>'), {{ literal }})
{%- endmacro %}
{% macro duckdb__json_text(document, key) %}json_extract_string({{ document }}, '$."{{ key | replace("'", "''") }}"'){% endmacro %}

{#- Text without the blanks at its ends, whichever they are in Unicode (category Zs). -#}
{% macro trimmed(text) %}{{ return(adapter.dispatch('trimmed')(text)) }}{% endmacro %}
{#- Spark's trim knows one of them. -#}
{% macro spark__trimmed(text) -%}
    {%- set blanks = ' \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a'
        ~ '\u202f\u205f\u3000' -%}
    trim(both '{{ blanks }}' from {{ text }})
{%- endmacro %}
{% macro duckdb__trimmed(text) %}trim({{ text }}){% endmacro %}

{#- Lower case, letter by letter. -#}
{% macro lowered(text) %}{{ return(adapter.dispatch('lowered')(text)) }}{% endmacro %}
{#- Spark's lower makes two letters of İ, and of a Σ at the end of a word another one than within it. -#}
{% macro spark__lowered(text) %}lower(translate({{ text }}, 'İΣ', 'iσ')){% endmacro %}
{% macro duckdb__lowered(text) %}lower({{ text }}){% endmacro %}

{#- Free text for comparison: lower case, every run of what is neither letter nor digit one blank, trimmed. The loader has
    composed its letters already (NFC); DuckDB does it for what earlier versions have loaded too. -#}
{% macro normalise_text(text) %}{{ return(adapter.dispatch('normalise_text')(text)) }}{% endmacro %}
{% macro spark__normalise_text(text) %}trim(regexp_replace({{ lowered(text) }}, '[^\\p{L}\\p{Nd}]+', ' ')){% endmacro %}
{% macro duckdb__normalise_text(text) %}trim(regexp_replace(lower(nfc_normalize({{ text }})), '[^\p{L}\p{Nd}]+', ' ', 'g')){% endmacro %}

{#- Text whose Levenshtein's distance is counted in characters. DuckDB's counts bytes, so each letter of `alphabet` (the
    letters beyond ASCII of the aliases) becomes one unused byte. A letter that it lacks becomes a bell in a text and a
    deletion in an alias: equal to none. -#}
{% macro comparable_text(text, alphabet) %}{{ return(adapter.dispatch('comparable_text')(text, alphabet, 7)) }}{% endmacro %}
{% macro comparable_alias(alias, alphabet) %}{{ return(adapter.dispatch('comparable_text')(alias, alphabet, 127)) }}{% endmacro %}
{% macro spark__comparable_text(text, alphabet, stranger) %}{{ text }}{% endmacro %}
{% macro duckdb__comparable_text(text, alphabet, stranger) -%}
    {#- normalised text holds no upper case, punctuation or control characters: their bytes are free -#}
    {%- set printable = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ!"#$%&()*+,-./:;<=>?@[]^_`{|}~' -%}
    {%- set control = range(1, 7) | list + range(8, 32) | list -%}
    regexp_replace(translate({{ text }}, left({{ alphabet }}, {{ printable | length + control | length }}), left(
        '{{ printable }}' || {% for code in control %}chr({{ code }}){{ ' || ' if not loop.last }}{% endfor %},
        length({{ alphabet }}))), '[^\x01-\x7f]', chr({{ stranger }}), 'g')
{%- endmacro %}

{#- The distinct letters beyond ASCII of a text column, in order, as one text. -#}
{% macro alphabet_of(column) %}{{ return(adapter.dispatch('alphabet_of')(column)) }}{% endmacro %}
{#- Spark's levenshtein counts characters: it needs no alphabet. -#}
{% macro spark__alphabet_of(column) %}max(''){% endmacro %}
{% macro duckdb__alphabet_of(column) -%}
    array_to_string(list_sort(list_distinct(string_split(regexp_replace(coalesce(string_agg({{ column }}, ''), ''), '[\x00-\x7f]', '', 'g'), ''))), '')
{%- endmacro %}

{#- dbt's own for Spark takes the values in any order; `order_by_clause` is `order by` and one expression. -#}
{% macro spark__listagg(measure, delimiter_text, order_by_clause, limit_num) -%}
    {%- set order_by = (order_by_clause or measure) | replace('order by ', '') -%}
    array_join(transform({{ _ordered_list(measure, order_by) }}, item -> item.value), {{ delimiter_text }})
{%- endmacro %}
