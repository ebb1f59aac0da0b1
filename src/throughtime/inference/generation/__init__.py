"""Generation around the network: a prompt in, drawn symbols or notes out."""
