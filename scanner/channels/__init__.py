"""Site channels: what the networks see of every segregating site of a population."""
