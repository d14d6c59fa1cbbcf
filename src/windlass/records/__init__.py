"""Plain frozen records: what the parts of Windlass tell each other and what is kept. No behaviour, no storage."""
