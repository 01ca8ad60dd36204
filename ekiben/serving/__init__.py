"""The server: what stands between a request and a prediction."""
