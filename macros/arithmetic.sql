{#- Rates, intervals of confidence and exact money. -#}

{% macro safe_divide(numerator, denominator) -%}
    cast({{ numerator }} as double) / nullif(cast({{ denominator }} as double), 0)
{%- endmacro %}

{#- Wilson's interval of a share, 95 %. Where every trial or none succeeds, its end is exactly 1 or 0. -#}
{% macro wilson_low(successes, trials) -%}
    case when {{ successes }} = 0 and {{ trials }} > 0 then cast(0 as double)
         else {{ _wilson(successes, trials, '-') }} end
{%- endmacro %}
{% macro wilson_high(successes, trials) -%}
    case when {{ successes }} = {{ trials }} and {{ trials }} > 0 then cast(1 as double)
         else {{ _wilson(successes, trials, '+') }} end
{%- endmacro %}
{% macro _wilson(successes, trials, sign) -%}
    {%- set n = 'nullif(cast(' ~ trials ~ ' as double), 0)' -%}
    {%- set p = '(cast(' ~ successes ~ ' as double) / ' ~ n ~ ')' -%}
    {%- set zz = '(1.959964 * 1.959964)' -%}
    ({{ p }} + {{ zz }} / (2 * {{ n }})
        {{ sign }} 1.959964 * sqrt({{ p }} * (1 - {{ p }}) / {{ n }} + {{ zz }} / (4 * {{ n }} * {{ n }})))
        / (1 + {{ zz }} / {{ n }})
{%- endmacro %}

{#- A decimal of `digits` places, an even number, as a fraction of integers in lowest terms, {n, d}: products of fractions are
    exact where a decimal type would round, and lowest terms keep them small. -#}
{% macro fraction(value, digits) %}{{ return(adapter.dispatch('fraction')(value, digits)) }}{% endmacro %}
{% macro duckdb__fraction(value, digits) -%}
    {%- set unit = '1' ~ '0' * digits ~ '::hugeint' -%}
    {#- in two steps: one would hold the places of `value` twice, for which 38 digits are too few; and of 38 digits from the
        start, because a product of short decimals is a short one -#}
    {%- set half, step = digits // 2, ' * 1' ~ '0' * (digits // 2) -%}
    {%- set wide = 'cast(' ~ value ~ ' as decimal(38, ' ~ digits ~ '))' -%}
    {%- set whole = 'cast(cast(' ~ wide ~ step ~ ' as decimal(38, ' ~ half ~ '))' ~ step ~ ' as hugeint)' -%}
    {{ return({
        'n': '(' ~ whole ~ ' // gcd(' ~ whole ~ ', ' ~ unit ~ '))',
        'd': '(' ~ unit ~ ' // gcd(' ~ whole ~ ', ' ~ unit ~ '))',
    }) }}
{%- endmacro %}

{#- Spark has no gcd. Zeros at the end are struck off both instead, which keeps products as small where numbers are short, as
    prices and quantities are. -#}
{% macro spark__fraction(value, digits) -%}
    {%- set whole = 'cast((' ~ value ~ ') * 1' ~ '0' * digits ~ ' as decimal(38, 0))' -%}
    {%- set text = 'cast(' ~ whole ~ ' as string)' -%}
    {%- set zeros = 'least(' ~ digits ~ ', length(' ~ text ~ ") - length(rtrim('0', " ~ text ~ ')))' -%}
    {%- set divisor = "cast(rpad('1', 1 + " ~ zeros ~ ", '0') as bigint)" -%}
    {{ return({
        'n': 'cast(' ~ whole ~ ' div ' ~ divisor ~ ' as decimal(38, 0))',
        'd': 'cast(1' ~ '0' * digits ~ ' div ' ~ divisor ~ ' as decimal(38, 0))',
    }) }}
{%- endmacro %}

{#- numerator ÷ denominator, each a list of integers to multiply, as money, rounded once, half away from zero; null
    where the denominator is 0. By integers, because decimal ÷ decimal is a double in DuckDB and turns 37.425 into 37.42;
    where a product outgrows 38 digits, by doubles after all, of which fifteen digits hold. -#}
{% macro money_ratio(numerator, denominator) %}{{ return(adapter.dispatch('money_ratio')(numerator, denominator)) }}{% endmacro %}
{% macro duckdb__money_ratio(numerator, denominator) -%}
    {%- set numerator, denominator = numerator | join(' * '), denominator | join(' * ') -%}
    coalesce(
        try({{ exact_money_ratio(numerator, denominator) }}),
        cast(round((1e0 * {{ numerator }}) / nullif(1e0 * {{ denominator }}, 0), 2) as decimal(38, 2))
    )
{%- endmacro %}
{% macro spark__money_ratio(numerator, denominator) -%}
    coalesce(
        {{ exact_money_ratio(_try_product(numerator), _try_product(denominator)) }},
        cast(round(({{ _double_product(numerator) }}) / nullif({{ _double_product(denominator) }}, 0), 2) as decimal(38, 2))
    )
{%- endmacro %}

{#- Spark: the product of integers, null where it outgrows 38 digits. -#}
{% macro _try_product(factors) -%}
    {%- set product = namespace(sql='cast(' ~ factors[0] ~ ' as decimal(38, 0))') -%}
    {%- for factor in factors[1:] -%}
        {%- set product.sql = 'try_multiply(' ~ product.sql ~ ', cast(' ~ factor ~ ' as decimal(38, 0)))' -%}
    {%- endfor -%}
    {{ return(product.sql) }}
{%- endmacro %}

{#- A product as a double. -#}
{% macro _double_product(factors) -%}
    {%- for factor in factors %}cast({{ factor }} as double){{ ' * ' if not loop.last }}{% endfor -%}
{%- endmacro %}

{#- The same of numbers that fit for certain; also of aggregates. -#}
{% macro exact_money_ratio(numerator, denominator) %}{{ return(adapter.dispatch('exact_money_ratio')(numerator, denominator)) }}{% endmacro %}
{% macro duckdb__exact_money_ratio(numerator, denominator) -%}
    {%- set n = 'cast(' ~ numerator ~ ' as hugeint)' -%}
    {%- set d = 'nullif(cast(' ~ denominator ~ ' as hugeint), 0)' -%}
    cast(cast(sign({{ n }}) * sign({{ d }}) as hugeint) * ((abs({{ n }}) * 200 + abs({{ d }})) // (2 * abs({{ d }}))) as decimal(38, 0)) * 0.01::decimal(3, 2)
{%- endmacro %}
{% macro spark__exact_money_ratio(numerator, denominator) -%}
    {%- set n = 'cast(' ~ numerator ~ ' as decimal(38, 0))' -%}
    {%- set d = 'nullif(cast(' ~ denominator ~ ' as decimal(38, 0)), 0)' -%}
    {%- set dividend = 'try_add(try_multiply(abs(' ~ n ~ '), cast(200 as decimal(38, 0))), abs(' ~ d ~ '))' -%}
    {%- set divisor = 'try_multiply(cast(2 as decimal(38, 0)), abs(' ~ d ~ '))' -%}
    cast(cast(sign({{ n }}) * sign({{ d }}) as int) * ({{ dividend }} div {{ divisor }}) as decimal(38, 0)) * cast(0.01 as decimal(3, 2))
{%- endmacro %}

{#- Money in hundredths, a whole number: the unit in which quotients of money are calculated. -#}
{% macro cents(amount) %}cast(cast({{ amount }} as decimal(38, 2)) * 100 as {{ type_wide_integer() }}){% endmacro %}
{% macro type_wide_integer() %}{{ return(adapter.dispatch('type_wide_integer')()) }}{% endmacro %}
{% macro spark__type_wide_integer() %}decimal(38, 0){% endmacro %}
{% macro duckdb__type_wide_integer() %}hugeint{% endmacro %}

{% macro money(amount) %}cast({{ amount }} as decimal(18, 2)){% endmacro %}

{#- Whether a product is one that money can't hold, which ends at 10^16, with room for sums; by doubles, which don't overflow. -#}
{% macro is_too_large(factors, limit='1e15') -%}
    coalesce(abs({{ _double_product(factors) }}) >= {{ limit }}, false)
{%- endmacro %}

{#- A sum of doubles in a fixed order, so that the same rows give the same last digit. -#}
{% macro ordered_sum(value, order_by) %}{{ return(adapter.dispatch('ordered_sum')(value, order_by)) }}{% endmacro %}
{% macro duckdb__ordered_sum(value, order_by) %}sum({{ value }} order by {{ order_by }}){% endmacro %}
{% macro spark__ordered_sum(value, order_by) -%}
    aggregate(
        {{ _ordered_list(value, order_by) }},
        cast(null as double),
        (total, next) -> coalesce(total + next.value, next.value)
    )
{%- endmacro %}

{#- Spark: the values that are not null in the order of an expression, as structs with the field `value`. -#}
{% macro _ordered_list(value, order_by) -%}
    array_sort(collect_list(case when {{ value }} is not null then struct({{ order_by }} as place, {{ value }} as value) end))
{%- endmacro %}
