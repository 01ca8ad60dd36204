"""The wire contract: pydantic models of every request and answer."""
