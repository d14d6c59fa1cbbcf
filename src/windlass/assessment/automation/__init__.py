"""What starts commands: CI systems, task runners, images, orchestrators."""
