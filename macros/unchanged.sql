{#- What needs no building again. On DuckDB, the tables and views of a refresh stay in build.duckdb until the next one. Each
    notes in its comment, within the transaction that makes it,
      sql      a hash of its SQL,
      read     the versions of what it read, by schema.name,
      version  a hash of its content; of a view, of its SQL and of what it reads,
    and of what is built by key (see by_key.sql)
      by, tells, ids  what its rows are known by,
      before          the version before, from which changed_in_<name> leads to this one,
      content         what the version is a hash of,
      loads_read      the loads of a contract table, with a hash of the rows of each,
      view_of         of a view, the table whose rows it selects.
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
            {%- if relation.schema == 'raw' and relation.identifier in contract_tables() -%}
                {%- set loads = loads_of(relation) -%}
                {%- do notes().update({name: {'version': version_of(loads), 'loads': loads}}) -%}
            {%- else -%}
                {%- do notes().update({name: {'version': version_of(content_of(relation))}}) -%}
            {%- endif -%}
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

{#- What stands for the content of a table: its columns, how many rows it has, and the sum of their hashes (5 million rows
    of 8 columns in 0.2 seconds). A sum, because in an exclusive or two equal rows would cancel out, and because the content
    of a table of which some rows were replaced is a difference away. -#}
{% macro content_of(relation) -%}
    {%- set query -%}
        select
            {#- a fifth of the time of duckdb_columns(), which looks at all tables #}
            (select string_agg(concat_ws(' ', name, type), ', ' order by cid) from pragma_table_info('{{ relation }}')),
            count(*),
            cast(coalesce(sum(hash(hashed)), 0) as {{ dbt.type_string() }})
        from {{ relation }} as hashed
    {%- endset -%}
    {%- set columns, rows, hashes = run_query(query).rows[0].values() -%}
    {{ return({'columns': local_md5(columns), 'rows': rows | int, 'hashes': hashes}) }}
{%- endmacro %}

{% macro version_of(content) %}{{ return(local_md5(tojson(content, sort_keys=True))) }}{% endmacro %}

{#- What stands for the content of a contract table in raw: of each load that it shows, how many rows there are, and the
    sum of their hashes. Without raw_row, which is most of their bytes and stays as it was loaded. -#}
{% macro loads_of(relation) -%}
    {%- set query -%}
        select cast(coalesce(json_group_object(load_id, content), '{}') as {{ dbt.type_string() }})
        from (
            select hashed.load_id, concat_ws(' ', count(*), sum(hash(hashed))) as content
            from (select columns(name -> name <> 'raw_row') from {{ relation }}) as hashed
            group by hashed.load_id
        )
    {%- endset -%}
    {{ return(fromjson(run_query(query).rows[0][0])) }}
{%- endmacro %}
