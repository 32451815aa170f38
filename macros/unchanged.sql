{#- What needs no building again. On DuckDB, the tables and views of a refresh stay in build.duckdb until the next one. Each
    notes in its comment, within the transaction that makes it,
      sql      a hash of its SQL,
      read     the versions of what it read, by schema.name,
      version  a hash of its content; of a view, of its SQL and of what it reads,
      before   of a table that is built by key, the version before, from which changed_in_<name> leads to this one.
    Where SQL and versions are the same, the same would come out, and nothing is built. Where something else was built but the
    same came out, the version stays, and what reads it is not built either. Rows have no order in a version, because no
    model gives them one. -#}

{#- What the node at hand would note: the hash of its SQL, declared columns and version of DuckDB (of which another may
    calculate otherwise), and the versions of all that it reads. -#}
{% macro origin_of(sql) -%}
    {%- set read = {} -%}
    {%- for relation in relations_read() -%}
        {%- set name = name_of(relation) -%}
        {%- if name not in notes() -%}  {#- a seed or a table of raw -#}
            {%- do notes().update({name: {'version': version_of_content(relation)}}) -%}
        {%- endif -%}
        {%- do read.update({name: notes()[name].version}) -%}
    {%- endfor -%}
    {{ return({'sql': local_md5([sql, (model.contract or {}).checksum, notes().engine] | join('\n')), 'read': read}) }}
{%- endmacro %}

{% macro name_of(relation) %}{{ return(relation.schema ~ '.' ~ relation.identifier) }}{% endmacro %}

{% macro relations_read() -%}
    {%- set relations = [] -%}
    {%- for id in model.depends_on.nodes -%}
        {%- set node = graph.nodes.get(id) or graph.sources[id] -%}
        {%- do relations.append(api.Relation.create(
            database=node.database, schema=node.schema, identifier=node.alias or node.identifier
        )) -%}
    {%- endfor -%}
    {{ return(relations) }}
{%- endmacro %}

{#- What all tables and views note, by schema.name, and as 'engine' which DuckDB this is. Asked of the catalog, which takes
    8 ms, once per invocation of dbt: what is built in it is added to what all nodes share. -#}
{% macro notes() -%}
    {%- set shared = 'notes of ' ~ invocation_id -%}
    {%- if shared not in graph -%}
        {%- set read = {} -%}
        {%- set query -%}
            select concat_ws('.', schema_name, name) as name, comment, version()
            from (
                select schema_name, table_name as name, comment
                from duckdb_tables() where database_name = current_database()
                union all
                select schema_name, view_name, comment
                from duckdb_views() where database_name = current_database() and not internal
            )
            union all
            select 'engine', null, version()
        {%- endset -%}
        {%- for name, comment, engine in run_query(query).rows -%}
            {%- if name == 'engine' -%}{%- do read.update({name: engine}) -%}
            {%- elif (comment or '').startswith('{"') -%}{%- do read.update({name: fromjson(comment)}) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- do graph.setdefault(shared, read) -%}  {#- another thread may have been first -#}
    {%- endif -%}
    {{ return(graph[shared]) }}
{%- endmacro %}

{#- A hash of a relation's columns and rows. Of a contract table in raw, a view of all rows that were ever loaded, what it is
    made of: its SQL, what the registry knows of its loads, and the rows without raw_row, which is most of their bytes and
    stays as it was loaded. -#}
{% macro version_of_content(relation) -%}
    {%- set view = sql_of_view(relation) if relation.schema == 'raw' -%}
    {%- if view -%}
        {%- set loads = "(select * from raw.loads where table_name = '" ~ relation.identifier | replace('__', '.') ~ "')" -%}
        {%- set rows = "(select columns(name -> name <> 'raw_row') from raw." ~ relation.identifier ~ '_rows)' -%}
        {%- set spellings = 'raw.spellings' if 'raw.spellings' in view -%}
        {%- set hashed, columns = [loads, rows, spellings], dbt.string_literal(local_md5(view)) -%}
    {%- else -%}
        {%- set hashed = [relation] -%}
        {#- a fifth of the time of duckdb_columns(), which looks at all tables -#}
        {%- set columns -%}
            (select string_agg(concat_ws(' ', name, type), ', ' order by cid) from pragma_table_info('{{ relation }}'))
        {%- endset -%}
    {%- endif -%}
    {%- set hashes = [] -%}
    {%- for one in hashed if one -%}{%- do hashes.append(hash_of_rows(one)) -%}{%- endfor -%}
    {{ return(run_query("select md5(concat_ws('; ', " ~ columns ~ ', ' ~ hashes | join(', ') ~ '))').rows[0][0]) }}
{%- endmacro %}

{% macro sql_of_view(relation) -%}
    {%- set query -%}
        select sql
        from duckdb_views()
        where (database_name, schema_name, view_name)
            = (current_database(), '{{ relation.schema }}', '{{ relation.identifier }}')
    {%- endset -%}
    {%- for row in run_query(query).rows -%}{{ return(row[0]) }}{%- endfor -%}
{%- endmacro %}

{#- A text for a set of rows in any order: how many they are, and the sum of their hashes (5 million rows of
    8 columns in 0.2 seconds). A sum, because in an exclusive or two equal rows would cancel out. -#}
{% macro hash_of_rows(relation) -%}
    (select concat_ws(' ', count(*), sum(hash(hashed))) from {{ relation }} as hashed)
{%- endmacro %}
