{#- Calendar arithmetic, the same on every engine. Days are dates; a period is known by its number:
    whole periods of its grain since year 0, fiscal for quarters and years. -#}

{#- The last day that the data covers; a refresh sets it, and the documentation shows the letters. -#}
{% macro as_of() %}cast('{{ var("as_of") or "YYYY-MM-DD" }}' as date){% endmacro %}

{% macro add_days(day, days) %}{{ return(adapter.dispatch('add_days')(day, days)) }}{% endmacro %}
{% macro spark__add_days(day, days) %}date_add({{ day }}, {{ days }}){% endmacro %}
{% macro duckdb__add_days(day, days) %}({{ day }} + cast({{ days }} as integer)){% endmacro %}

{#- The day so many months before; where it doesn't exist, the month's last. -#}
{% macro months_before(day, months) %}{{ return(adapter.dispatch('months_before')(day, months)) }}{% endmacro %}
{% macro spark__months_before(day, months) %}add_months({{ day }}, -{{ months }}){% endmacro %}
{% macro duckdb__months_before(day, months) %}cast({{ day }} - to_months({{ months }}) as date){% endmacro %}

{% macro days_between(from_day, to_day) %}{{ return(adapter.dispatch('days_between')(from_day, to_day)) }}{% endmacro %}
{% macro spark__days_between(from_day, to_day) %}datediff({{ to_day }}, {{ from_day }}){% endmacro %}
{% macro duckdb__days_between(from_day, to_day) %}({{ to_day }} - {{ from_day }}){% endmacro %}

{% macro integer_divide(a, b) %}{{ return(adapter.dispatch('integer_divide')(a, b)) }}{% endmacro %}
{% macro spark__integer_divide(a, b) %}(({{ a }}) div ({{ b }})){% endmacro %}
{% macro duckdb__integer_divide(a, b) %}(({{ a }}) // ({{ b }})){% endmacro %}

{% macro number_series(first, last) %}{{ return(adapter.dispatch('number_series')(first, last)) }}{% endmacro %}
{#- Spark's sequence counts down where the first is greater. -#}
{% macro spark__number_series(first, last) -%}
    explode(if({{ first }} <= {{ last }}, sequence({{ first }}, {{ last }}), array()))
{%- endmacro %}
{% macro duckdb__number_series(first, last) %}unnest(range({{ first }}, {{ last }} + 1)){% endmacro %}

{#- Months of a period, by grain. -#}
{% macro grains() %}{{ return({'month': 1, 'quarter': 3, 'year': 12}) }}{% endmacro %}

{#- The select of the call block for each grain, one under the other: {% call(grain) by_grain() %} … {% endcall %} -#}
{% macro by_grain() -%}
    {% for grain in grains() %}
    {{- caller(grain) }}
    {{- 'union all' if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- Months by which quarters and years of the fiscal calendar are shifted; months never are. -#}
{% macro fiscal_shift(grain) %}{{ return(0 if grain == 'month' else var('fiscal_year_start_month') | int - 1) }}{% endmacro %}

{% macro period_number(day, grain) -%}
    {{ coarser_number('year(' ~ day ~ ') * 12 + month(' ~ day ~ ') - 1', 'month', grain) }}
{%- endmacro %}

{#- The number of the period that holds a period of a finer grain, by the number of that. -#}
{% macro coarser_number(number, finer, grain) -%}
    {%- set shift = fiscal_shift(grain) - fiscal_shift(finer) -%}
    cast({{ integer_divide(number ~ ' - ' ~ shift, grains()[grain] // grains()[finer]) }} as integer)
{%- endmacro %}

{% macro period_start(number, grain) -%}
    {%- set months = '(' ~ number ~ ' * ' ~ grains()[grain] ~ ' + ' ~ fiscal_shift(grain) ~ ')' -%}
    make_date(cast({{ integer_divide(months, 12) }} as integer), cast({{ months }} % 12 + 1 as integer), 1)
{%- endmacro %}

{#- The last value that is not null, up to this row. -#}
{% macro last_known(column, partition_by, order_by) %}{{ return(adapter.dispatch('last_known')(column, partition_by, order_by)) }}{% endmacro %}
{% macro spark__last_known(column, partition_by, order_by) -%}
    last_value({{ column }}, true) over (partition by {{ partition_by }} order by {{ order_by }})
{%- endmacro %}
{% macro duckdb__last_known(column, partition_by, order_by) -%}
    last_value({{ column }} ignore nulls) over (partition by {{ partition_by }} order by {{ order_by }})
{%- endmacro %}

{#- Stands for "no end" where an end must be compared. -#}
{% macro far_future() %}cast('9999-12-31' as date){% endmacro %}
