"""What this room raises when a world on disk is not what it says it is."""

MAX_TEXT = 200  # characters of foreign text in a message


class WorldError(Exception):
    """A world is damaged, unfinished, hostile or not a world: file, chunk and what differs, in one line.

    file   path below the world's folder, "." for the folder itself
    what   what differs, and where a user can help it, what to do
    chunk  "level/x,y,z", or None if the file as a whole is meant
    """

    def __init__(self, file: str, what: str, chunk: str | None = None) -> None:
        super().__init__(file, what, chunk)  # the arguments, so that it survives pickling between processes
        self.file = file
        self.what = what
        self.chunk = chunk

    def __str__(self) -> str:
        where = self.file if self.chunk is None else f"{self.file}: chunk {self.chunk}"
        return f"{where}: {self.what}"


def quoted(text: object) -> str:
    """Foreign text made fit for a message: escaped, on one line, cut."""
    line = ascii(text)
    return line if len(line) <= MAX_TEXT else line[:MAX_TEXT] + "..."


def chunk_name(level: int, chunk: tuple[int, int, int]) -> str:
    """How messages and reports name a chunk: "level/x,y,z"."""
    return "{}/{},{},{}".format(level, *chunk)
