"""Languages: how words are read, and what sounds they are made of. Nothing that hears."""
