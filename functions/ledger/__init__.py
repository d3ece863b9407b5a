"""What is stored and how it is counted: facts, their keys, and the folds over them."""
