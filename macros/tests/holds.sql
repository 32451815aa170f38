{#- Laws that every row of a model obeys: rows in which one is false or can't be told are returned. -#}
{% test holds(model, laws) %}
select * from {{ model }}
where not (
    {%- for law in laws %}
    coalesce({{ law }}, false){{ ' and' if not loop.last }}
    {%- endfor %}
)
{% endtest %}
