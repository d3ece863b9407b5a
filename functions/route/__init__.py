"""The router: one request in, the best route out, everything written down."""
