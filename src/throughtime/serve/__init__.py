"""`throughtime serve`: a trained model over HTTP."""
