"""Networks as C99, for microcontrollers and programs without Python."""
