"""The NumPy half: an LSTM, its gradients and its training, by hand. Read README.md first."""
