{#- A law that every row of a model obeys: rows where it is false or can't be told are returned. -#}
{% test holds(model, law) %}
select * from {{ model }} where not coalesce({{ law }}, false)
{% endtest %}
