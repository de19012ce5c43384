"""Bundled data: see README.md."""
