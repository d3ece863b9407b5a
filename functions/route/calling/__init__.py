"""The one loop over a plan's routes: one call, what went wrong with it, what it cost."""
