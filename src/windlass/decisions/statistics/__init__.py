"""The statistics that judgements rest on: pure functions of arrays, which know of no policy and no verdict."""
