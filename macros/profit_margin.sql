{#- The profit margin as a fraction of whole numbers, in two columns: (amount − cost) ÷ amount of the invoices that carry
    a cost, else the policy `profit_margin`, else null. -#}
{% macro margin_parts(revenue_with_cost, cost) -%}
    {%- set policy = '%.15f' | format(var('profit_margin') or 0) -%}
    {%- set digits = policy.split('.')[1].rstrip('0') -%}
    case when {{ revenue_with_cost }} <> 0 then {{ cents(revenue_with_cost ~ ' - ' ~ cost) }}
        else cast({{ 'null' if var('profit_margin') is none else policy.split('.')[0] ~ digits }} as {{ type_wide_integer() }}) end as margin_numerator,
    case when {{ revenue_with_cost }} <> 0 then {{ cents(revenue_with_cost) }} else 1{{ '0' * digits | length }} end as margin_denominator
{%- endmacro %}
