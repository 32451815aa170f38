"""The Great Expectations room: checks of what was loaded (raw gate) and of what will be published (marts gate)."""

from expectations.checks import CheckResult, CheckSpec, Gate, Judge
from expectations.data_docs import write_page
from expectations.judge_process import judge_beside
from expectations.runner import declared_checks, run_gate

__all__ = ["CheckResult", "CheckSpec", "Gate", "Judge", "declared_checks", "judge_beside", "run_gate", "write_page"]
