{#- The opening rule: a spell is active at the opening of a day when started_on < day <= ended_on, or it runs. -#}
{% macro active_at_opening(spells, day) -%}
    ({{ spells }}.started_on < {{ day }} and ({{ spells }}.ended_on is null or {{ spells }}.ended_on >= {{ day }}))
{%- endmacro %}
