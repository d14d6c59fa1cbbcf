"""What every step of a run works with: done once, durable, told of while it lasts."""
