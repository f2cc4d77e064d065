"""Training a model: the recipe, the loop, checkpoints, and the run that train.py starts."""
