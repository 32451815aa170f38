"""The Great Expectations room: checks of what was loaded (raw gate) and of what will be published (marts gate)."""

from expectations.checks import CheckResult, CheckSpec
from expectations.runner import declared_checks, run_gate

__all__ = ["CheckResult", "CheckSpec", "declared_checks", "run_gate"]
