"""The data: examples, predictions and outcomes in Delta tables, and the segments that lead there."""
