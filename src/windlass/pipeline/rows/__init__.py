"""From the world's data to the rows that a model may learn from and be judged on."""
