"""Training: the configuration, the loop, checkpoints, and the run that train.py starts."""
