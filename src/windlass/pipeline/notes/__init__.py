"""What people note of runs: parameters, metrics and figures, and two runs side by side."""
