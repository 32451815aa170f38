{#- The rules by which a row of a table is usable, in the order of the contract's columns: dicts of `column`, `broken`
    (SQL condition over each column as read, `x`, and as delivered, `x_text`) and `fault` (what is wrong, in words). -#}
{% macro row_rules(table) -%}
    {%- set rules = [] -%}
    {%- for column in table.columns -%}
        {%- set value, text = adapter.quote(column.name), adapter.quote(column.name ~ '_text') -%}
        {%- set broken = [] -%}

        {%- if column.required -%}
            {#- the versions of a list begin with the list where they have no day of their own -#}
            {%- set unless = ' and not is_history' if column.name == 'started_on' else '' -%}
            {%- do broken.append((text ~ ' is null' ~ unless, 'a value is required')) -%}
        {%- endif -%}
        {%- if column.type == 'text' -%}
            {%- do broken.append((text ~ " like 'unreadable: %'", 'not an id: a power of ten, as Excel writes long numbers')) -%}
        {%- endif -%}
        {%- if contract_type(column.type).startswith('decimal') -%}
            {%- do broken.append((value ~ ' is null and abs(try_cast(' ~ text ~ ' as double)) between 1e8 and 1e300', 'too large a number')) -%}
        {%- endif -%}
        {%- if column.type == 'price' and table.columns | selectattr('type', 'equalto', 'quantity') | list -%}
            {%- do broken.append((is_too_large([value, 'quantity']), 'too large a number with its quantity')) -%}
        {%- endif -%}
        {%- if contract_type(column.type) != dbt.type_string() -%}
            {%- do broken.append((value ~ ' is null and ' ~ text ~ ' is not null', 'not ' ~ type_in_words(column.type))) -%}
        {%- endif -%}
        {%- if 'values' in column -%}
            {%- do broken.append((value ~ " not in ('" ~ column['values'] | join("', '") ~ "')", 'none of ' ~ column['values'] | join(', '))) -%}
        {%- endif -%}
        {%- for limit, operator, words in [('minimum', '<', 'below'), ('maximum', '>', 'above'), ('above', '<=', 'not above')] if limit in column -%}
            {%- do broken.append((value ~ ' ' ~ operator ~ ' ' ~ column[limit], words ~ ' ' ~ column[limit])) -%}
        {%- endfor -%}
        {%- for kind, maximum in column.get('maximum_of', {}).items() -%}
            {%- do broken.append(("kind = '" ~ kind ~ "' and " ~ value ~ ' > ' ~ maximum, 'above the highest ' ~ kind ~ ' score')) -%}
        {%- endfor -%}
        {%- for start, end in table.get('periods', []) if end == column.name -%}
            {#- by the day: a case may be resolved on the day it was opened, of which some systems tell no hour -#}
            {%- do broken.append(('cast(' ~ value ~ ' as date) < cast(' ~ adapter.quote(start) ~ ' as date)', 'before ' ~ start)) -%}
        {%- endfor -%}
        {%- if table.one_of and column.name == table.one_of[0][0] -%}
            {%- set missing = [] -%}
            {%- for group in table.one_of -%}
                {%- do missing.append('(' ~ group | join('_text is null or ') ~ '_text is null)') -%}
            {%- endfor -%}
            {%- do broken.append((missing | join(' and '), 'a value is required, or ' ~ table.one_of[1:] | map('join', ' and ') | join(', or '))) -%}
        {%- endif -%}

        {%- for condition, fault in broken -%}
            {%- do rules.append({'column': column.name, 'broken': condition, 'fault': fault}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(rules) }}
{%- endmacro %}
