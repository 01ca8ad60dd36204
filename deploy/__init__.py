"""What runs beside Ekiben, and how it is put there."""
