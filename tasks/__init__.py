"""What runs on a rented machine, and nothing else: this package alone travels there."""
