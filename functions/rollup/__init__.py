"""The scheduled reader of the ledger: new facts into views, and what was left open into `lost`."""
