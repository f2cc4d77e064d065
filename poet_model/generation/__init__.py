"""Poem generation: the options, the rules that they imply, and the decoding loop. Needs NumPy, not torch."""


def __getattr__(name: str) -> object:
    from ..deprecated import moved_name

    return moved_name(__name__, name)
