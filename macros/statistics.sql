{#- Quantiles and durations. -#}

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

{#- A quantile of durations in hours, 0.5 or 0.9, interpolated linearly between the two nearest ones (percentile_cont) and
    rounded to the microsecond, where the last digit of a double is noise. -#}
{% macro hours_quantile(share, microseconds) -%}
    round({{ adapter.dispatch('quantile')(share, microseconds) }}) / 3.6e9
{%- endmacro %}
{% macro spark__quantile(share, value) %}percentile_cont({{ share }}) within group (order by {{ value }}){% endmacro %}
{#- DuckDB keeps every value in memory for each quantile that it is asked for, but only once for a list of them. -#}
{% macro duckdb__quantile(share, value) %}quantile_cont({{ value }}, [0.5, 0.9])[{{ [0.5, 0.9].index(share) + 1 }}]{% endmacro %}
