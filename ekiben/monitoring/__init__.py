"""What versions did, and how well: prediction log, feedback, live quality, drift, replay."""
