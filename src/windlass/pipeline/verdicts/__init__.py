"""What is measured of a candidate, and whether it may be released."""
