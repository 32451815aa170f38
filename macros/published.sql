{#- A table as every published file has it: named without the database, for a file may be opened under any name. -#}
{% macro published(name) %}{{ return(ref(name).include(database=false)) }}{% endmacro %}
