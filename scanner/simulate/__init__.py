"""Simulated populations: recipes, the coalescent, what sequencing does to it, and sets of simulations on disk."""
