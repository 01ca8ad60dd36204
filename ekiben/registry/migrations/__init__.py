"""How the ledger's tables come to be, and how older ones are brought up to date."""
