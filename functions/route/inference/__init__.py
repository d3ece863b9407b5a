"""One inference, from the request as it came to the receipt."""
