"""The YAML file as checked values, and what follows from it alone."""
