"""The decision: pure, from plain values to verdicts and an order. Imports nothing of the router."""
