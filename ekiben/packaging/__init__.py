"""From promoted versions to what is deployed."""
