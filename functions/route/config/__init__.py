"""The config file as checked values, and what can be worked out from the file alone."""
