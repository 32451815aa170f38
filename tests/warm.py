"""What a process that runs commands of its own will need,
loaded once in the process that it is forked from (see tests.churn)."""

import gc
import tempfile

from dbt_common.clients.jinja import template_cache

from orchestration.contract.tables import contract
from orchestration.definitions import defs
from orchestration.refresh import steps
from orchestration.transform import project

contract()
steps.manifest()
for macro in project.load_manifest().macros.values():
    template_cache.get_node_template(macro)  # compiles it
defs.resolve_job_def("refresh")
with tempfile.TemporaryDirectory() as folder:
    arguments = ["compile", "--select", "dim_employees", "--indirect-selection", "empty", "--target-path", folder]
    arguments += ["--no-introspect", "--no-populate-cache", "--no-write-json"]
    project._invoke(arguments, project.ROOT, project.load_manifest())

gc.freeze()  # a collection in a fork would copy all of it
