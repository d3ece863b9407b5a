"""The caller's end of the connection, and what is sent on it."""
