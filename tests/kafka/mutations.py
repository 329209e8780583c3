"""Deliberate bugs, by name: each puts back a fault that the runtime must not have. The crash suite must turn red."""


def apply(name: str | None) -> None:
    """Put a bug into this process."""
    if name is not None:
        BUGS[name]()


BUGS: dict[str, object] = {}
