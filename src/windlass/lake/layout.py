"""How every table of the lake is laid out."""

from __future__ import annotations

import deltalake

SEQUENCE = "_sequence"
"""The column that numbers the rows of a table: 0, 1, 2, ... without gaps."""
CONFIGURATION = {
    "delta.checkpointInterval": "32",
    # Nothing reads an old table version (pins go by sequence), and each commit looks through the whole log. Delta would
    # shorten it by age, and look at all of it for that at each commit; `Table.tidy` does so by number.
    "delta.enableExpiredLogCleanup": "false",
    # What was replaced is named in each checkpoint until then; it is cleaned away an hour after it was replaced.
    "delta.deletedFileRetentionDuration": "interval 2 hours",
    # The log holds least and greatest values of columns, where they outlive the rows: of the sequence only, then, which
    # is the first column and says nothing about anybody. Parquet has its own, which go with the file.
    "delta.dataSkippingNumIndexedCols": "1",
}
WRITER = deltalake.WriterProperties(compression="ZSTD", compression_level=1)
"""Captured requests take 40 % less room than in Delta's default, for the same time."""
