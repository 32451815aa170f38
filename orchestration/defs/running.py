"""A step of a refresh as Dagster runs it: an interrupt cancels the run, and what the machine is to blame for is tried
again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from dagster import DagsterExecutionInterruptedError

from orchestration.errors import ChurnError, EnvironmentFailure
from orchestration.refresh.session import Refresh

RETRIES, WAIT = 2, 60  # seconds


@contextmanager
def running(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> Iterator[Refresh]:
    """The refresh of this run. A refresh of the command line is not tried again: somebody, or cron, sees its exit
    code."""
    refresh: Refresh = context.resources.refresh
    if context.op_execution_context.retry_number:
        refresh.failure = None
    try:
        with refresh.explaining(context.op_execution_context.op.name):
            yield refresh
    except (KeyboardInterrupt, DagsterExecutionInterruptedError):
        # Dagster takes an interrupt for a crash unless somebody has asked for it
        context.instance.report_run_canceling(context.run)
        raise
    except ChurnError as failure:
        if isinstance(failure, EnvironmentFailure) and refresh.retries and not refresh.is_published:
            raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=WAIT) from failure
        raise dg.Failure(str(failure), allow_retries=False) from None  # which the UI shows without a stack
