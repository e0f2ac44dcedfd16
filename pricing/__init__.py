"""What machines cost, when we looked, and who said so."""
