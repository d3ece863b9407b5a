"""What is written to the ledger about one inference, and when."""
