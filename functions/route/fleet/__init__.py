"""What all routers know together, with this one's own newest facts on top."""
