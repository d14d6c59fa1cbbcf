"""Files of rows, answered a stretch at a time: `windlass predict`."""
