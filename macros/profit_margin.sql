{#- The profit margin as a fraction of whole numbers, in two columns: (amount − cost) ÷ amount of the invoices that carry
    a cost, else the policy `profit_margin` (six digits), else null. -#}
{% macro margin_parts(revenue_with_cost, cost) -%}
    {%- set policy = var('profit_margin') -%}
    case when {{ revenue_with_cost }} <> 0 then {{ cents(revenue_with_cost ~ ' - ' ~ cost) }}
        else cast({{ 'null' if policy is none else policy ~ ' * 1000000' }} as {{ type_wide_integer() }}) end as margin_numerator,
    case when {{ revenue_with_cost }} <> 0 then {{ cents(revenue_with_cost) }} else 1000000 end as margin_denominator
{%- endmacro %}
