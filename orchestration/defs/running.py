"""A step as Dagster runs it: an interrupt cancels the run, what the machine is to blame for is tried again, and
whatever fails says so in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg
from dagster import DagsterExecutionInterruptedError

from orchestration.errors import ChurnError, EnvironmentFailure
from orchestration.refresh.session import Refresh

RETRIES, WAIT = 2, 60  # seconds


@contextmanager
def step(
    context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, may_retry: Callable[[ChurnError], bool]
) -> Iterator[None]:
    """A step that fails with a ChurnError. It is tried again where that `may_retry`, two times at most."""
    try:
        yield
    except (KeyboardInterrupt, DagsterExecutionInterruptedError):
        # Dagster takes an interrupt for a crash unless somebody has asked for it
        context.instance.report_run_canceling(context.run)
        raise
    except ChurnError as failure:
        if may_retry(failure) and not is_last_try(context):
            raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=WAIT) from failure
        raise dg.Failure(str(failure), allow_retries=False) from None  # which the UI shows without a stack


def is_last_try(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> bool:
    """Whether the step is not tried again if it fails now."""
    return context.op_execution_context.retry_number >= RETRIES


@contextmanager
def running(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> Iterator[Refresh]:
    """The refresh of this run, which the first of its steps begins. A refresh of the command line is not tried again:
    somebody, or cron, sees its exit code."""
    refresh: Refresh | None = None

    def may_retry(failure: ChurnError) -> bool:
        return isinstance(failure, EnvironmentFailure) and (
            refresh is None or (refresh.retries and not refresh.is_published)
        )

    with step(context, may_retry):
        refresh = context.resources.refresh()
        assert refresh
        if context.op_execution_context.retry_number:
            refresh.failure = None
        with refresh.explaining(context.op_execution_context.op.name):
            yield refresh
