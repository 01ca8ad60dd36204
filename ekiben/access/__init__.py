"""Who may ask for what: API keys, JSON Web Tokens, rates and daily quotas."""
