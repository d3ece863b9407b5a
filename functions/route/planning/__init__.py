"""From config, request and views to plain values, and from these to a plan."""
