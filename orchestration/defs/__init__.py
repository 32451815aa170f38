"""Dagster's view of the warehouse: what there is (assets), what must hold (checks), when it is made (schedule, sensor).

Asset keys equal schema.table, groups equal layers.
"""

# Whom an asset's page names; the exposures of the project say the same.
OWNERS = ["team:analytics"]
