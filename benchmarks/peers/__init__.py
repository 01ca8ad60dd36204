"""Other model servers over the same versions, each in an environment of its own."""
