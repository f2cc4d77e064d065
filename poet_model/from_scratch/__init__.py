"""The NumPy half: an LSTM, its gradients and its training, written by hand. Start with README.md."""
