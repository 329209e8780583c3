"""What a catalogue says when a file of it cannot be used."""


class CatalogueError(ValueError):
    """A template file that must not go out: `path` is the file, the reason is one sentence for its author."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason
