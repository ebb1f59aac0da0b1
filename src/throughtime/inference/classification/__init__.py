"""Classification around the network: texts or sequences of numbers in, probabilities of classes out."""
