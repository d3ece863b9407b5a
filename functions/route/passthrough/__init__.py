"""Requests that are sent on as they came, and answers that come back so."""
