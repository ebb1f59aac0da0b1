"""Read files, frames and arrays, and return tensors, lengths and batches."""
