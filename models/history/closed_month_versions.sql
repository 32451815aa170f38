{{ config(materialized='incremental', incremental_strategy='append', full_refresh=false) }}

-- The numbers of each closed month as each refresh first saw them: a row is appended only when they differ from what
-- was last published. Never rebuilt: what readers were given can't be calculated again from the extracts of today.
with refreshes as (
    select * from {{ source('quality', 'refresh_history') }}
),

this_refresh as (
    select * from refreshes
    where refresh_id = (select max(history.refresh_id) from refreshes as history)
),

last_publish as (
    select * from refreshes
    where refresh_id = (
        select max(history.refresh_id)
        from refreshes as history
        cross join this_refresh
        where history.status = 'published' and history.refresh_id < this_refresh.refresh_id
    )
),

closed_months as (
    select
        rates.period_start,
        rates.customers_at_start,
        rates.customers_lost,
        rates.customers_at_end,
        mrr.mrr_at_start,
        mrr.mrr_churned,
        mrr.mrr_at_end
    from {{ ref('churn_rates') }} as rates
    inner join {{ ref('revenue_retention') }} as mrr using (period_grain, period_start, segment_type, segment)
    where rates.period_grain = 'month' and rates.segment_type = 'all' and rates.is_complete
),

-- what may have changed them: files whose content is new or read anew, policies, the definitions, or rows that as_of
-- has passed or left behind. Ids of refreshes say what is new, because they grow whatever the clock shows.
new_files as (
    select
        files.table_name || ': ' || files.file as file,
        row_number() over (order by files.table_name, files.file_order) as file_number,
        count(*) over () as files
    from {{ source('raw', 'files') }} as files
    inner join {{ source('raw', 'loads') }} as loads using (load_id)
    cross join last_publish
    where files.is_current and greatest(files.refresh_id, loads.refresh_id) > last_publish.refresh_id
),

file_list as (
    select {{ dbt.listagg(
        "case when file_number <= 20 then file else 'and ' || cast(files - 20 as " ~ dbt.type_string()
        ~ ") || ' more' end",
        "', '", 'order by file_number') }} as files
    from new_files
    where file_number <= 21
),

dated_rows as (
    select started_on as dated_on from {{ ref('int_subscription_rows') }}
    union all
    select trial_ends_on from {{ ref('int_subscription_rows') }}
    union all
    select cast(issued_at as date) from {{ ref('stg_billing__invoices') }}
    union all
    select cast(issued_at as date) from {{ ref('stg_billing__invoice_lines') }}
),

causes as (
    select
        case when file_list.files is not null then 'extracts' end as by_extracts,
        case
            when cast(this_refresh.policies as {{ dbt.type_string() }})
                <> cast(last_publish.policies as {{ dbt.type_string() }}) then 'policies'
        end as by_policies,
        case when this_refresh.code_version <> last_publish.code_version then 'definitions' end as by_definitions,
        case when exists (
            select 1 from dated_rows
            where dated_rows.dated_on > least(this_refresh.as_of, last_publish.as_of)
                and dated_rows.dated_on <= greatest(this_refresh.as_of, last_publish.as_of)
        ) then 'as_of' end as by_as_of,
        file_list.files
    from this_refresh
    cross join last_publish
    cross join file_list
),

last_published_months as (
    {% if is_incremental() %}
    select *
    from (
        select
            versions.*,
            row_number() over (partition by versions.period_start order by versions.refresh_id desc) as recency
        from {{ this }} as versions
        inner join refreshes on refreshes.refresh_id = versions.refresh_id and refreshes.status = 'published'
    ) as published_versions
    where recency = 1
    {% else %}
    -- nothing was published yet
    select cast(null as {{ dbt.type_string() }}) as refresh_id, closed_months.* from closed_months where false
    {% endif %}
),

-- months that were published and are over by as_of, but that the marts no longer have: nobody was active by then
gone_months as (
    select last_published_months.period_start
    from last_published_months
    cross join this_refresh
    left join closed_months using (period_start)
    where closed_months.period_start is null
        and {{ period_number('last_published_months.period_start', 'month') }}
            < {{ period_number(add_days('this_refresh.as_of', 1), 'month') }}
),

known_months as (
    select * from closed_months
    union all
    select period_start, 0, 0, 0, 0, 0, 0 from gone_months
)

select
    this_refresh.refresh_id,
    known_months.*,
    case when last_published_months.period_start is null then 'first published'
        else coalesce(
            nullif(concat_ws(', ', causes.by_extracts, causes.by_policies, causes.by_definitions, causes.by_as_of), ''),
            'unexplained'
        )
    end as cause,
    case when last_published_months.period_start is not null then causes.files end as files
from known_months
cross join this_refresh
left join causes on true
left join last_published_months using (period_start)
where last_published_months.period_start is null
    {% for column in [
        'customers_at_start', 'customers_lost', 'customers_at_end', 'mrr_at_start', 'mrr_churned', 'mrr_at_end'
    ] %}
    or last_published_months.{{ column }} <> known_months.{{ column }}
    {% endfor %}
