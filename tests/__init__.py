"""The suite. As a package of its own it is found before those that other projects install under this name."""
