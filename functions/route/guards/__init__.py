"""What stands between a request and its plan, one guard in each file. Pure."""
