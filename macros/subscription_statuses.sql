{#- What a subscription's status says, in lower case. -#}

{#- Never paid, whether the status is of today or of the row's whole period. -#}
{% macro never_paid(status) -%}
    coalesce({{ status }}, '') in ('trialing', 'incomplete', 'incomplete_expired', 'draft', 'void')
{%- endmacro %}

{#- Without service, but the subscription itself may go on: an end in the future says nothing of it. -#}
{% macro suspended(status) -%}
    coalesce({{ status }}, '') in ('unpaid', 'paused', 'on-hold')
{%- endmacro %}

{% macro inactive(status) -%}
    ({{ suspended(status) }} or coalesce({{ status }}, '') in ('canceled', 'cancelled', 'expired', 'ended', 'completed'))
{%- endmacro %}
