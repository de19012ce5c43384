"""How good a network is: measures, and the baselines that every model card prints beside it."""
