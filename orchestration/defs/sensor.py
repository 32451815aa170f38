"""Refreshes when the content of the extracts has changed, until a refresh of that content has succeeded."""

import time

import dagster as dg

from orchestration.contract.mapping import load_mapping
from orchestration.defs import folder
from orchestration.defs.refresh import refresh_job
from orchestration.errors import ChurnError
from orchestration.loading.discovery import find_extracts
from orchestration.refresh.outcome import public
from orchestration.refresh.session import CONTENT_TAG

RETRY_AFTER = 3600  # seconds since a failed run of the same content started


@dg.sensor(job=refresh_job, minimum_interval_seconds=60)
def new_extracts(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """The cursor is the content that was published last: it moves only after success, so that no delivery is lost."""
    extracts = folder("CHURN_EXTRACTS")
    try:
        content = find_extracts(extracts, load_mapping(extracts)).fingerprint
    except ChurnError as error:
        return dg.SkipReason(public(error, None))
    if content == context.cursor:
        return dg.SkipReason("No new content.")
    newest = context.instance.get_run_records(
        dg.RunsFilter(job_name=refresh_job.name, tags={CONTENT_TAG: content}), limit=1
    )
    if newest:
        run = newest[0].dagster_run
        if run.status == dg.DagsterRunStatus.SUCCESS:
            context.update_cursor(content)
            return dg.SkipReason("This content is published.")
        if not run.is_finished:
            return dg.SkipReason("A refresh of this content is under way.")
        age = time.time() - newest[0].create_timestamp.timestamp()
        if 0 <= age < RETRY_AFTER:  # less than 0: the clock has been set back since
            return dg.SkipReason("The refresh of this content failed less than an hour ago.")
    return dg.RunRequest(tags={CONTENT_TAG: content})
