"""What the book promises, tried: each file says in its first line what a failure would mean for a reader."""
