"""How mature the machine learning of a project is, read from its files instead of claimed.

Design and limits: docs/explanation/assessment.md.
"""
