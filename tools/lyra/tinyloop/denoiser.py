"""The denoiser: a transformer over the tokens of a chunk and of what was before.

Generated tokens cover 4 frames x 2 x 2 latents and are shown, beside the noisy latents, those of the warp and
its coverage. History is clean: SLOTS frames whole, the last 4 as one layer of tokens, FAR older ones coarse.
Rays and places in the slots' pictures (`condition.routes`) go into queries and keys alone: they say where to
look, never what is there.
"""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from .config import FAR, FRAMES_OF, LATENT, N_THEMES, PATCH, SLOTS, Config

ROUTE = 4 * SLOTS + 6
OCTAVES = 2
TIME = 64  # width of the time's sines


@dataclass(slots=True, eq=False)
class Shown:
    """What the denoiser sees besides the noisy latents; h, w: latents. All float32 but theme, int64."""

    warp: Tensor  # [B, T, LATENT, h, w]
    covered: Tensor  # [B, T, 1, h, w] share of each latent's pixels
    slots: Tensor  # [B, SLOTS, LATENT, h, w]
    slot_there: Tensor  # [B, SLOTS] 0 or 1
    recent: Tensor  # [B, FRAMES_OF, LATENT, h, w]
    far: Tensor  # [B, FAR, LATENT, h, w]
    past_there: Tensor  # [B, 2] 0 or 1: recent, far
    routes: Tensor  # [B, T / 4, ROUTE, h, w]
    slot_routes: Tensor  # [B, SLOTS, ROUTE, h, w]
    recent_routes: Tensor  # [B, 1, ROUTE, h, w]
    theme: Tensor  # [B]
    palette: Tensor  # [B, 6] mean and deviation of the first frame's colours

    def to(self, device: torch.device | str) -> "Shown":
        return replace(self, **{f.name: getattr(self, f.name).to(device) for f in fields(self)})


class Block(nn.Module):
    """Attention and a perceptron, modulated by the time; routes are added to queries and keys."""

    def __init__(self, dim: int, heads: int, routes: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim) for _ in range(4))
        self.route = nn.Linear(routes, dim, bias=False)
        self.up, self.down = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        self.table = nn.Parameter(torch.zeros(6, dim))

    def forward(self, x: Tensor, modulation: Tensor, routes: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
        """x [B, N, dim], modulation [B, 6, dim], routes [B, N, routes], turn: cosines, sines [N, d]"""
        a, b, c, d, e, f = (modulation + self.table)[:, :, None].unbind(1)
        h = functional.layer_norm(x, x.shape[-1:]) * (1 + a) + b
        extra = self.route(routes)
        shape = (*x.shape[:2], self.heads, -1)
        q, k = (
            functional.rms_norm(y.view(shape), (y.shape[-1] // self.heads,))
            for y in (self.query(h) + extra, self.key(h) + extra)
        )
        v = self.value(h).view(shape)
        q, k = _turned(q, *turn), _turned(k, *turn)
        seen = functional.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        )
        x = x + c * self.out(seen.transpose(1, 2).reshape(x.shape))
        h = functional.layer_norm(x, x.shape[-1:]) * (1 + d) + e
        out: Tensor = x + f * self.down(functional.gelu(self.up(h), approximate="tanh"))
        return out


class Denoiser(nn.Module):
    """Noisy latents [B, T, LATENT, h, w] and the time [B] -> what the clean ones are off the warp's."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        dim, cell = config.dim, PATCH * PATCH
        self.generated = nn.Linear((2 * LATENT + 1) * FRAMES_OF * cell, dim)
        self.slot = nn.Linear(LATENT * cell, dim)
        self.recent = nn.Linear(LATENT * FRAMES_OF * cell, dim)
        self.far = nn.Linear(LATENT * FRAMES_OF * cell * 4, dim)
        with torch.no_grad():  # as the finer one sees four alike patches
            fine = self.recent.weight.view(dim, LATENT, FRAMES_OF, PATCH, PATCH)
            self.far.weight.copy_(fine.repeat(1, 1, 1, 2, 2).reshape(dim, -1) / 4)
        self.kind = nn.Parameter(torch.randn(4, dim) * 0.02)
        self.missing = nn.Parameter(torch.randn(3, dim) * 0.02)  # a slot, the recent frames, the far ones
        width = (SLOTS * (4 + 4 * OCTAVES) + 6) * cell
        self.routes = nn.Sequential(
            nn.Linear(width, config.routes), nn.SiLU(), nn.Linear(config.routes, config.routes)
        )
        self.time = nn.Sequential(nn.Linear(TIME, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.theme = nn.Embedding(N_THEMES, dim)
        self.palette = nn.Linear(6, dim)
        self.modulation = nn.Linear(dim, 6 * dim)
        self.blocks = nn.ModuleList(Block(dim, config.heads, config.routes) for _ in range(config.blocks))
        self.last = nn.Linear(dim, LATENT * FRAMES_OF * cell)
        for layer in (self.last, self.modulation, self.palette):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.theme.weight)
        with torch.no_grad():  # gates begin at a half: a block that does nothing learns nothing
            self.modulation.bias.view(6, dim)[[2, 5]] = 0.5

    def forward(self, noisy: Tensor, time: Tensor, shown: Shown) -> Tensor:
        n, t, _, h, w = noisy.shape
        groups = t // FRAMES_OF
        there, n_far = shown.past_there, FAR // FRAMES_OF
        parts = [
            self.generated(patches(torch.cat([noisy, shown.warp, shown.covered], 2), FRAMES_OF, PATCH)),
            _or(self.slot(patches(shown.slots, 1, PATCH)), self.missing[0], shown.slot_there),
            _or(self.recent(patches(shown.recent, FRAMES_OF, PATCH)), self.missing[1], there[:, :1]),
            _or(
                self.far(patches(shown.far, FRAMES_OF, 2 * PATCH)),
                self.missing[2],
                there[:, 1:].expand(-1, n_far),
            ),
        ]
        x = torch.cat([(part + kind).flatten(1, 2) for part, kind in zip(parts, self.kind, strict=True)], 1)
        routed = [self._routes(r) for r in (shown.routes, shown.slot_routes, shown.recent_routes)]
        unrouted = parts[3].shape[1] * parts[3].shape[2]
        routes = torch.cat([*routed, x.new_zeros(n, unrouted, self.config.routes)], 1)
        waves = (
            time[:, None]
            * 1000
            * torch.exp(-torch.arange(TIME // 2, device=time.device) * (9.2 / (TIME // 2)))
        )
        about = (
            self.time(torch.cat([waves.cos(), waves.sin()], 1))
            + self.theme(shown.theme)
            + self.palette(shown.palette)
        )
        modulation = self.modulation(functional.silu(about)).view(n, 6, -1)
        turn = turns(self.config, groups, h, w, x.device)
        for block in self.blocks:
            x = block(x, modulation, routes, turn)
        rows, columns = -(-h // PATCH), -(-w // PATCH)
        out = self.last(functional.layer_norm(x[:, : groups * rows * columns], x.shape[-1:]))
        out = out.view(n, groups, rows, columns, LATENT, FRAMES_OF, PATCH, PATCH)
        return out.permute(0, 1, 5, 4, 2, 6, 3, 7).reshape(n, t, LATENT, rows * PATCH, columns * PATCH)[
            ..., :h, :w
        ]

    def _routes(self, routes: Tensor) -> Tensor:
        """[B, V, ROUTE, h, w] -> [B, tokens, routes]"""
        n, v, _, h, w = routes.shape
        slots = routes[:, :, : 4 * SLOTS].view(n, v, SLOTS, 4, h, w)
        place, there = slots[:, :, :, :2], slots[:, :, :, 3:]
        waves = [f(torch.pi * 2**o * place) * there for o in range(OCTAVES) for f in (torch.sin, torch.cos)]
        told = torch.cat([slots, *waves], 3).flatten(2, 3)
        found: Tensor = self.routes(
            patches(torch.cat([told, routes[:, :, 4 * SLOTS :]], 2), 1, PATCH).flatten(1, 2)
        )
        return found


def patches(x: Tensor, frames: int, side: int) -> Tensor:
    """[b, T, C, h, w] -> [B, T / frames, tokens, C frames side side]; edges repeated to whole patches."""
    n, t, c, h, w = x.shape
    down, right = -h % side, -w % side
    if down or right:
        x = functional.pad(x.flatten(0, 1), (0, right, 0, down), mode="replicate").unflatten(0, (n, t))
    rows, columns = x.shape[3] // side, x.shape[4] // side
    x = x.reshape(n, t // frames, frames, c, rows, side, columns, side)
    return x.permute(0, 1, 4, 6, 3, 2, 5, 7).reshape(n, t // frames, rows * columns, -1)


def _or(tokens: Tensor, missing: Tensor, there: Tensor) -> Tensor:
    """tokens [B, V, n, dim] where there [B, V] is 1, else one learned vector."""
    return torch.where(there[:, :, None, None] > 0, tokens, missing)


def turns(config: Config, groups: int, h: int, w: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines [N, d] that turn queries and keys by where tokens are: layer, row, column."""
    rows, columns = -(-h // PATCH), -(-w // PATCH)
    fine = torch.cartesian_prod(torch.arange(rows) + 0.5, torch.arange(columns) + 0.5)
    rough = torch.cartesian_prod(
        torch.arange(-(-h // (2 * PATCH))) * 2 + 1.0, torch.arange(-(-w // (2 * PATCH))) * 2 + 1.0
    )
    layers = [(float(g), fine) for g in range(groups)] + [(-8.0 - n, fine) for n in range(SLOTS)]
    layers += [(-1.0, fine)] + [(g - 1.0 - FAR // FRAMES_OF, rough) for g in range(FAR // FRAMES_OF)]
    at = torch.cat([torch.cat([torch.full((len(p), 1), t), p], 1) for t, p in layers])
    d = config.dim // config.heads
    angles = []
    for axis, share in enumerate((d // 8, 3 * d // 16, d // 2 - d // 8 - 3 * d // 16)):
        angles.append(at[:, axis : axis + 1] * 50.0 ** (-torch.arange(share) / share))
    angle = torch.cat(angles, 1)
    return angle.cos().to(device), angle.sin().to(device)


def _turned(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """x [B, N, heads, d], cosine and sine [N, d / 2]"""
    a, b = x.chunk(2, -1)
    c, s = cosine[None, :, None], sine[None, :, None]
    return torch.cat([a * c - b * s, a * s + b * c], -1)
