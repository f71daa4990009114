"""The arithmetic of atlas/plan.py, as text or JSON."""

import json
from dataclasses import asdict

from ..atlas.plan import Question, plan

_UNITS = ((1e18, "EB"), (1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def report(question: Question, as_json: bool) -> str:
    """What a world of this size costs; lower bounds, nothing measured."""
    answer = plan(question)
    if as_json:
        return json.dumps({"question": asdict(question), "plan": asdict(answer)})
    q, a = question, answer
    content = f"{q.surface_layers:g} layers" if q.occupancy is None else f"{q.occupancy:.3%} of the volume"
    lines = [
        f"{q.area_km2:g} km² x {q.height_m:g} m at {q.voxel_size_m * 100:g} cm, {content}; "
        "arithmetic, not measured",
        f"  dense      {a.dense_voxels:.3g} voxels, {in_bytes(a.dense_bytes)}: so only the occupied is kept",
        "  level  voxel        voxels      colours   chunks >=   packed >=   pixel-wide at",
    ]
    for v in a.levels:
        lines.append(
            f"  {v.level:5d}  {v.voxel_size_m * 100:5.5g} cm {v.n_voxels:10.3g} {in_bytes(v.n_bytes):>12}"
            f" {v.n_chunks_min:11.3g} {in_bytes(v.packed_bytes_min):>11} {v.pixel_wide_at_m:12.1f} m"
        )
    lines += [
        f"  all levels {in_bytes(a.pyramid_bytes)} of colours",
        f"  a view     {a.view_chunks:,} chunks, {in_bytes(a.view_bytes)}: one voxel a pixel at "
        f"{q.screen_width_px}x{q.screen_height_px}, at the least",
        f"  around     {a.near_chunks:,.0f} chunks, {in_bytes(a.near_bytes)}: one flat chunk layer "
        f"to {q.radius_m:g} m",
        f"  walking    {a.walk_chunks_per_frame:,.0f} chunks a frame, {in_bytes(a.walk_bytes_per_s)}/s raw "
        f"at {q.speed_m_s:g} m/s",
        f"  VRAM       {in_bytes(q.vram_bytes)} hold {a.vram_chunks:,} chunks",
    ]
    return "\n".join(lines)


def in_bytes(n: float) -> str:
    """Decimal units, three digits: 133 MB."""
    for unit, name in _UNITS:
        if n >= unit:
            return f"{n / unit:.3g} {name}"
    return f"{n:.0f} B"
