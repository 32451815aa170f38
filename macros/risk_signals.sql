{#- The signals that a customer may leave, in the order in which lists name them. -#}
{% macro risk_signals() %}
{{ return(['gave_notice', 'payment_failing', 'overdue', 'open_complaint', 'slow_answer', 'detractor', 'spending_down']) }}
{% endmacro %}

{#- The names of the flags that are true, joined by a comma and a blank. -#}
{% macro flags_as_text(flags) -%}
    concat_ws(', ', {% for flag in flags %}case when {{ flag }} then '{{ flag }}' end{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}
