"""Formats of genome browsers: each module takes scores and a track, and writes one format."""
