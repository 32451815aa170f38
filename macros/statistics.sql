{#- Medians, quantiles and durations. -#}

{#- The median of amounts of money: of an even number the mean of the two middle ones, rounded half away from zero. A quantile
    that interpolates is a double, so the two are added up as they are. -#}
{% macro money_median(amount) -%}
    {{ money(exact_money_ratio(cents_of_middle_two(amount), '200')) }}
{%- endmacro %}
{#- Where one is in the middle, twice that. -#}
{% macro cents_of_middle_two(amount) %}{{ return(adapter.dispatch('cents_of_middle_two')(amount)) }}{% endmacro %}
{#- DuckDB keeps every amount for each quantile that it is asked for, but only once for a list of them: half the memory. The
    second share is the next amount after the half, of up to five billion. -#}
{% macro duckdb__cents_of_middle_two(amount) %}{{ cents('list_sum(quantile_disc(' ~ amount ~ ', [0.5, 0.5000000001]))') }}{% endmacro %}
{#- Spark's quantiles are doubles: exact of whole cents. -#}
{% macro spark__cents_of_middle_two(amount) -%}
    cast(percentile_disc(0.5) within group (order by {{ cents(amount) }}) as decimal(38, 0))
        + cast(percentile_disc(0.5) within group (order by {{ cents(amount) }} desc) as decimal(38, 0))
{%- endmacro %}

{#- Whole microseconds between two timestamps of the company's time zone, as clocks on the wall show them. -#}
{% macro microseconds_between(from_time, to_time) %}{{ return(adapter.dispatch('microseconds_between')(from_time, to_time)) }}{% endmacro %}
{% macro spark__microseconds_between(from_time, to_time) %}(unix_micros({{ to_time }}) - unix_micros({{ from_time }})){% endmacro %}
{% macro duckdb__microseconds_between(from_time, to_time) %}(epoch_us({{ to_time }}) - epoch_us({{ from_time }})){% endmacro %}

{#- Whether a step of handling a case (first_response, resolution) took no longer than the policy allows, and the time it
    allows in microseconds. -#}
{% macro is_within_sla(step, from_time, to_time) -%}
    ({{ microseconds_between(from_time, to_time) }} <= {{ sla(step) }})
{%- endmacro %}
{% macro sla(step) %}{{ var('sla_' ~ step ~ '_hours') }} * 3600000000{% endmacro %}

{#- A quantile of durations in hours, interpolated linearly between the two nearest ones (percentile_cont) and rounded to
    the microsecond, where the last digit of a double is noise. -#}
{% macro hours_quantile(share, microseconds) -%}
    round(percentile_cont({{ share }}) within group (order by {{ microseconds }})) / 3.6e9
{%- endmacro %}
