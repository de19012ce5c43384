"""From simulations to a model folder: examples, seeds, calibration, the model card."""
