"""Telling people and their systems what is wrong: the message, its formats, the way out."""
