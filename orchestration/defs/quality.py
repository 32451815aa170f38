"""The two gates of expectations: every one an asset check with counts and a sample of offending keys."""

from collections.abc import Iterator

import dagster as dg

import expectations
from orchestration.contract.tables import contract
from orchestration.defs.running import running
from orchestration.refresh import steps

_SEVERITY = {"critical": dg.AssetCheckSeverity.ERROR, "warning": dg.AssetCheckSeverity.WARN}


def _gate(gate: expectations.Gate) -> dg.AssetChecksDefinition:
    specs = [
        dg.AssetCheckSpec(
            check.check_name,
            asset=dg.AssetKey(check.table_name.split(".")),
            description=check.description,
            blocking=check.severity == "critical",
        )
        for check in expectations.declared_checks(contract())
        if check.gate == gate
    ]

    @dg.multi_asset_check(name=f"{gate}_gate", specs=specs, can_subset=True, required_resource_keys={"refresh"})
    def run(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        selected = {(key.name, ".".join(key.asset_key.path)) for key in context.selected_asset_check_keys}
        with running(context) as refresh:
            if gate == "raw":
                steps.need_staged(refresh)
            else:
                steps.need_tables_of(refresh, selected)
            for result in steps.judge(refresh, gate, selected if len(selected) < len(specs) else None):
                yield dg.AssetCheckResult(
                    asset_key=dg.AssetKey(result.table_name.split(".")),
                    check_name=result.check_name,
                    passed=result.status == "passed",
                    severity=dg.AssetCheckSeverity.ERROR if result.status == "error" else _SEVERITY[result.severity],
                    description=result.message,
                    metadata={
                        "evaluated": result.evaluated_count,
                        "failed": result.failed_count,
                        "sample": result.sample,
                    },
                )
            steps.refuse_failed(refresh)

    return run


raw_gate = _gate("raw")
marts_gate = _gate("marts")
