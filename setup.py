"""Packaging of popscan: the catalogues travel inside the wheel as package data."""

from setuptools import setup

setup(
    packages=[
        "scanner",
        "scanner.browser",
        "scanner.channels",
        "scanner.cli",
        "scanner.data",
        "scanner.evaluate",
        "scanner.models",
        "scanner.network",
        "scanner.simulate",
        "scanner.statistics",
        "scanner.tracks",
        "scanner.train",
    ],
    package_dir={"scanner": "scanner", "scanner.models": "models", "scanner.tracks": "tracks"},
    package_data={
        "scanner": ["py.typed"],
        "scanner.browser": ["page_parts/*"],
        "scanner.data": ["*.vcf.gz", "*.csi", "*.tsv", "*.md"],
        "scanner.models": ["catalogue.toml", "*/*"],
        "scanner.tracks": ["catalogue.toml", "*/*.toml", "*/*.html"],
    },
)
