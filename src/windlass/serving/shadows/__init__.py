"""Challengers in shadow: asked what the champion is asked, in processes of their own, and never heard."""
