"""Answers that are on their way into the lake."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from windlass.errors import LakeError
from windlass.lake.reader import list_segments, read_segment
from windlass.lake.served import prediction_rows
from windlass.records.capture import PredictionBatch


def waiting_answers(folder: Path, prediction_id: str) -> pl.DataFrame:
    """The rows of `prediction_id` in the segments below `folder` (`served.PREDICTIONS` without the sequence).

    They may be in the lake by now, and a segment that goes there while this looks is passed over: so look there after.
    """
    batches: list[PredictionBatch] = []
    for segments in list_segments(folder).values():
        for segment in segments:
            try:
                records = read_segment(segment.path).records
            except LakeError:
                if segment.path.exists():
                    raise
                continue  # it went into the lake this moment
            batches += [batch for _, batch in records if isinstance(batch, PredictionBatch)]
    found = [batch for batch in batches if prediction_id in batch.ids]
    return prediction_rows(found).filter(pl.col("prediction_id") == prediction_id)
