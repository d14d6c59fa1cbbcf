"""Versions at hand: loaded, trusted, followed as routing changes, and asked about rows."""
