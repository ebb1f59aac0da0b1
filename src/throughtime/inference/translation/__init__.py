"""Translation around the network: subwords in, the likeliest translation out."""
