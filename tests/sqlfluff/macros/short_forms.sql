{#- Short forms of macros that write long SQL, for `make lint` only: without them it takes half as long again. They come after
    the project's own and replace them. What a macro writes is not checked, only where it stands, so each writes one
    expression, as the true one does. -#}

{#- the same select for one grain instead of three -#}
{% macro by_grain() %}{{ caller('month') }}{% endmacro %}
{% macro grains() %}{{ return({'month': 1}) }}{% endmacro %}

{#- a name of a function and its arguments -#}
{% macro period_number(day, grain) %}period_number({{ day }}){% endmacro %}
{% macro period_start(number, grain) %}period_start({{ number }}){% endmacro %}
{% macro wilson_low(successes, trials) %}wilson_low({{ successes }}, {{ trials }}){% endmacro %}
{% macro wilson_high(successes, trials) %}wilson_high({{ successes }}, {{ trials }}){% endmacro %}
{% macro money_ratio(numerator, denominator) %}money_ratio({{ numerator }}, {{ denominator }}){% endmacro %}
{% macro exact_money_ratio(numerator, denominator) %}money_ratio({{ numerator }}, {{ denominator }}){% endmacro %}
{% macro comparable_text(text, alphabet) %}comparable({{ text }}, {{ alphabet }}){% endmacro %}
{% macro comparable_alias(alias, alphabet) %}comparable({{ alias }}, {{ alphabet }}){% endmacro %}
{% macro alphabet_of(column) %}alphabet_of({{ column }}){% endmacro %}

{#- models read its two parts -#}
{% macro fraction(value, digits) %}
{{ return({'n': 'numerator(' ~ value ~ ')', 'd': 'denominator(' ~ value ~ ')'}) }}
{% endmacro %}
