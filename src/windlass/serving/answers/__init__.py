"""From requests to answers: who is asked, several together, written down before anybody is told."""
