"""Writing poems: what is asked for, the rules that follow from it, and the loop that writes."""


def __getattr__(name: str):
    from ..deprecated import moved_name

    return moved_name(__name__, name)
