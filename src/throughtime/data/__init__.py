"""From files, frames and arrays to tensors and lengths."""
