"""What folds are made of: maps by key, bounded maps, products of folds, and sketches of durations."""
