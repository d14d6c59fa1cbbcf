"""Answering over HTTP: workers read routing records and bundles, and write each answer down before they give it."""
