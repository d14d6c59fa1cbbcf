"""What running systems show: that something happened, and when. It holds for 90 days."""
