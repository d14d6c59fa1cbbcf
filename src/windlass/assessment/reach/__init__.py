"""What is reached from what, and by whom it is started."""
