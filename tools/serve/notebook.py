"""A served world in a cell of a notebook."""

import html
from dataclasses import dataclass

from ..errors import UserError


@dataclass(frozen=True, slots=True)
class Viewer:
    """What a notebook shows as the page of a running server."""

    url: str
    width: str = "100%"
    height: int = 540  # CSS pixels

    def _repr_html_(self) -> str:
        return frame_html(self.url, self.width, self.height)


def view(url: str, width: str = "100%", height: int = 540) -> Viewer:
    """A cell that flies through the world served at this URL: the one that `voxtide serve` printed.

    The browser must reach it: for a notebook on another machine, forward its port too. Raises UserError.
    """
    if not url.startswith(("http://", "https://")) or "token=" not in url:
        raise UserError("this needs the whole URL that `voxtide serve` printed, with its token")
    return Viewer(url, width, height)


def frame_html(url: str, width: str = "100%", height: int = 540) -> str:
    """An iframe; every value is escaped."""
    src, wide = html.escape(url, quote=True), html.escape(width, quote=True)
    return (
        f'<iframe src="{src}" width="{wide}" height="{int(height)}" frameborder="0" '
        'allow="fullscreen; clipboard-write" allowfullscreen></iframe>'
    )
