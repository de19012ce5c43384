"""popscan: scan genomes for the marks of evolution and see the result in a genome browser."""

__version__ = "0.1.0"
