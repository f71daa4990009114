"""The baseline that a bake of Gaussians must beat: only the voxels that hold their centres are filled."""

from collections.abc import Iterator
from dataclasses import replace

from ..bake_options import BakeOptions, checked, place
from ..sources.source import Gaussians, Points, Source
from ..voxelise import gaussians, survey


def centres(source: Source, options: BakeOptions) -> Source:
    """A source of Gaussians as a cloud of their centres, without the floaters that a bake leaves out."""
    assert source.kind == "gaussians", source.kind
    o = checked(options, source)
    placement = place(o)

    def splats(n: int) -> Iterator[Gaussians]:
        yield from (b for b in source.batches(n) if isinstance(b, Gaussians))

    limits = survey.limits_of(lambda: splats(1 << 17), placement, o.min_opacity, o.max_scale_m)

    def batches(n: int) -> Iterator[Points]:
        for batch in splats(n):
            keep, _ = gaussians.kept(batch, placement, limits)
            yield Points(batch.positions[keep].astype("f8"), batch.rgb[keep])

    return replace(source, kind="points", batches=batches, part=None)
