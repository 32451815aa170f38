{#- Medians, quantiles and durations. -#}

{#- The median of amounts of money in cents: of an even number the mean of the two middle ones, rounded half away from
    zero. The double in which it is interpolated holds whole and half cents exactly up to 45 trillion. -#}
{% macro money_median(cents) -%}
    {{ money('cast(round(percentile_cont(0.5) within group (order by ' ~ cents ~ ')) as bigint) * cast(0.01 as decimal(3, 2))') }}
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
