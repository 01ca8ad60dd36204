"""The edge: everything between HTTP and the predictor."""
