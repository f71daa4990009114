"""The window "Voxel": the voxel under the cursor, and that its bytes are its coordinates."""

import numpy as np
from imgui_bundle import imgui

from ...atlas import address, layout
from ...atlas.uvw import voxel_to_atlas
from ..session import Picked, Session
from . import style, widgets

FACES = ("-x", "+x", "-y", "+y", "-z", "+z", "", "inside")


def draw(session: Session) -> None:
    """Between imgui's begin and end."""
    picked = session.picked
    if picked is None:
        imgui.push_text_wrap_pos(0.0)
        imgui.text_colored(style.colour(style.FAINT), "Nothing is under the cursor.")
        imgui.pop_text_wrap_pos()
        return
    for name, value, text in lines(picked):
        widgets.pair(session, name, value, text)
    bar = imgui.ImVec2(imgui.get_content_region_avail().x, imgui.get_frame_height())
    r, g, b, a = picked.rgba
    imgui.color_button("##colour", imgui.ImVec4(r / 255, g / 255, b / 255, 1), 0, bar)
    widgets.tip(session, f"R {r}, G {g}, B {b}, coverage {a} of 255.")
    u, v, w = address.uvw_of(np.array(picked.voxel)).tolist()
    imgui.color_button("##uvw", imgui.ImVec4(u / 255, v / 255, w / 255, 1), 0, bar)
    widgets.tip(session, f"Its identity as a colour: R {u}, G {v}, B {w} are its u, v, w (pass uvw).")


def lines(picked: Picked) -> list[tuple[str, str, str]]:
    """Name, value, explanation of each line."""
    voxel = np.array(picked.voxel, np.int64)
    uvw = address.uvw_of(voxel)
    texel = voxel_to_atlas(*uvw.tolist())
    x, y, z = picked.position_m
    found = [
        ("Where", f"{x:.2f}, {y:.2f}, {z:.2f} m", "Metres in the world; z is up."),
        ("Distance", f"{picked.distance_m:.2f} m", "From the eye."),
        ("Level", f"{picked.level}" + (", a finer one is missing" if picked.is_coarse else ""),
         f"0 is the finest; this voxel is {2**picked.level} of those wide."),
        ("Voxel", _triple(voxel), "Coordinates at its level, signed."),
        ("Chunk", _triple(address.chunk_of(voxel)), f"{layout.CHUNK}³ voxels, read and kept together."),
        ("Region", _triple(address.region_of(voxel)), f"{layout.REGION}³ voxels: one file."),
        ("UVW", " ".join(f"{c:02x}" for c in uvw.tolist()),
         "Its place in the region as bytes: its colour in the pass uvw."),
        ("Texel", f"{texel[0]}, {texel[1]}", "Where the region's 4096² image has it: the same bits."),
        ("Face", FACES[picked.face] if picked.face < len(FACES) else "", "The side that the ray met."),
    ]  # fmt: skip
    if picked.entity:
        found.append(("Entity", picked.entity, "What the world says that this voxel belongs to."))
    return found


def _triple(v: np.ndarray) -> str:
    return ", ".join(str(c) for c in v.tolist())
