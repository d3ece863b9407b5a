"""Reading a request: whose it is, what it asks for, and for which chain of routes."""
