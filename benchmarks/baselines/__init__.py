"""What one would write instead of Ekiben, over the same trained versions."""
