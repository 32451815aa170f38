{#- The rules by which one row of a table is usable: dicts of `column`, `broken` (SQL condition) and `reason` (SQL text),
    in the order of the contract's columns. They see each column as read (`x`) and as delivered (`x_text`). -#}
{% macro row_rules(table) -%}
    {%- set rules = [] -%}
    {%- for column in table.columns -%}
        {%- set value, text = adapter.quote(column.name), adapter.quote(column.name ~ '_text') -%}
        {%- set quoted_text = "'''' || " ~ text ~ " || ''' is " -%}

        {%- if column.required -%}
            {%- do rules.append({'column': column.name, 'broken': text ~ ' is null', 'reason': "'a value is required'"}) -%}
        {%- endif -%}

        {%- if contract_type(column.type) != dbt.type_string() -%}
            {%- do rules.append({
                'column': column.name,
                'broken': value ~ ' is null and ' ~ text ~ ' is not null',
                'reason': "replace('''' || " ~ text ~ ", '''unreadable: ', '''') || ''' is not " ~ type_in_words(column.type) ~ "'",
            }) -%}
        {%- endif -%}

        {%- if column.type == 'enumeration' -%}
            {%- do rules.append({
                'column': column.name,
                'broken': value ~ " not in ('" ~ column['values'] | join("', '") ~ "')",
                'reason': quoted_text ~ "none of " ~ column['values'] | join(', ') ~ "'",
            }) -%}
        {%- endif -%}

        {%- for limit, operator, words in [('minimum', '<', 'below'), ('maximum', '>', 'above'), ('above', '<=', 'not above')] -%}
            {%- if column[limit] is defined -%}
                {%- do rules.append({
                    'column': column.name,
                    'broken': value ~ ' ' ~ operator ~ ' ' ~ column[limit],
                    'reason': quoted_text ~ words ~ ' ' ~ column[limit] ~ "'",
                }) -%}
            {%- endif -%}
        {%- endfor -%}

        {%- for kind, maximum in column.get('maximum_of', {}).items() -%}
            {%- do rules.append({
                'column': column.name,
                'broken': adapter.quote('kind') ~ " = '" ~ kind ~ "' and " ~ value ~ ' > ' ~ maximum,
                'reason': quoted_text ~ "above the highest " ~ kind ~ " score'",
            }) -%}
        {%- endfor -%}

        {%- for start, end in table.get('periods', []) if end == column.name -%}
            {%- do rules.append({
                'column': column.name,
                'broken': value ~ ' < ' ~ adapter.quote(start),
                'reason': quoted_text ~ "before " ~ start ~ "'",
            }) -%}
        {%- endfor -%}

        {%- if column.name == table.get('one_of', [['']])[0][0] -%}
            {%- set missing = [] -%}
            {%- for group in table.one_of -%}
                {%- set empties = [] -%}
                {%- for name in group -%}{%- do empties.append(adapter.quote(name ~ '_text') ~ ' is null') -%}{%- endfor -%}
                {%- do missing.append('(' ~ empties | join(' or ') ~ ')') -%}
            {%- endfor -%}
            {%- do rules.append({'column': column.name, 'broken': missing | join(' and '), 'reason': "'neither an amount nor a quantity and a unit price'"}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(rules) }}
{%- endmacro %}
