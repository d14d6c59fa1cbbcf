"""What stands in files: parsed, never run and never imported."""
