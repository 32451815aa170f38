"""The demo company: three years of a seller of till software and supplies, extracted as people really deliver.

It is made up from a fixed seed, so that everybody sees the same company. `write_extracts` writes its folder,
`live` gives its records, `BAD_ROWS` says how many unusable rows the folder holds and what is wrong with them.
"""

from .company import AS_OF
from .life import live
from .writing import BAD_ROWS, write_extracts

__all__ = ["AS_OF", "BAD_ROWS", "live", "write_extracts"]
