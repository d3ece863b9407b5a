"""What callers and operators read. Reads never write."""
