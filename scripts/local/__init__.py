"""What the scripts need to run everything on one machine: an embedded AWS, tables, servers."""
