"""Every number the CPU and the GPU must agree on, written once.

Imports nothing but NumPy. `glsl()` prints the same numbers as GLSL, included by shaders as
"generated/layout.glsl". Axis order in names is (x, y, z); dense arrays are [z, y, x].
"""

import numpy as np

# Space -------------------------------------------------------------------------------------------
CHUNK = 16  # voxels along a chunk edge
CHUNK_BITS = 4
CHUNK_VOXELS = CHUNK**3
BLOCK = 4  # voxels along the edge of the 4^3 block that one 64-bit mask describes
BLOCKS_PER_CHUNK = 64
REGION = 256  # voxels along a region edge: one byte per axis, hence "UVW"
REGION_CHUNKS = 16  # chunks along a region edge
ATLAS = 4096  # texels along an atlas layer edge; ATLAS**2 == REGION**3
MAX_LEVEL = 15  # a chunk id spends 4 bits on the level; level 15 at 1 cm is 328 m per voxel
ORIGIN_BITS = 23  # a world spans [-2**23, 2**23) level-0 voxels on each axis (+-83 km at 1 cm)
MIN_PINNED_LEVEL = 5  # this level and coarser stay resident

# Slots -------------------------------------------------------------------------------------------
SLOTS_PER_LAYER = 4096  # one atlas layer holds 16^3 chunks
MASK_WORDS = 128  # uint32 words of one bit plane per slot (4096 bits)
MASK_BYTES = MASK_WORDS * 4

# Page entry, uint32: what a chunk (or the root grid) knows of one child.  RE......ssss ssss...
ENTRY_NONE = 0  # not resident: missing where the parent voxel is occupied, else empty; root: unknown
ENTRY_EMPTY = 1 << 30  # known to hold no voxel, although its parent could not tell
ENTRY_RESIDENT = 1 << 31
ENTRY_SLOT_MASK = (1 << 24) - 1

# Rays --------------------------------------------------------------------------------------------
HIT_NONE = 0  # the ray left the world: sky
HIT_VOXEL = 1  # ended at the level that its pixel wants
HIT_COARSE = 2  # ended in a coarser voxel than wanted, because the child is missing
HIT_UNRESOLVED = 3  # found nothing, and met a root chunk of which nothing is known: a hole, counted

# std430 mirror of `struct Hit` in shaders/include/hit.glsl; scalars only, so no padding.
# x, y, z: the voxel at its own level, relative to the root grid's corner.
HIT = np.dtype(
    [
        ("x", "<i4"),
        ("y", "<i4"),
        ("z", "<i4"),
        ("t", "<f4"),  # distance along the ray to where it entered the voxel, level-0 voxels
        ("slot", "<u4"),
        ("info", "<u4"),  # status | level << 2 | face << 8 | steps << 12
    ]
)
assert HIT.itemsize == 24
HIT_STATUS_BITS = 2
HIT_LEVEL_SHIFT = 2
HIT_FACE_SHIFT = 8  # 0..5: -x +x -y +y -z +z, the outward side the ray came through; 7: started inside
HIT_STEPS_SHIFT = 12
FACE_INSIDE = 7

# std430 mirror of `struct Ray` in shaders/probe.comp.
RAY = np.dtype(
    [
        ("voxel", "<i4", 3),  # level-0 voxel of the origin, relative to the root grid's corner
        ("cone", "<f4"),  # width of the pixel's cone per unit of distance
        ("frac", "<f4", 3),  # position inside that voxel, [0, 1)
        ("level_min", "<i4"),  # never go finer than this
        ("direction", "<f4", 3),  # unit length
        ("pad", "<f4"),
    ]
)
assert RAY.itemsize == 48

# std430 mirror of `struct Request` in shaders/include/feedback.glsl: "this slot's child is wanted".
REQUEST = np.dtype([("slot", "<u4"), ("octant", "<u4"), ("wanted_level", "<u4"), ("error", "<f4")])
assert REQUEST.itemsize == 16
MAX_REQUESTS = 4096  # per frame; more are counted, not stored

# std430 mirror of the head of buffer Feedback.
FEEDBACK = np.dtype(
    [("n_touched", "<u4"), ("n_requests", "<u4"), ("n_requests_lost", "<u4"), ("n_unresolved", "<u4")]
)
assert FEEDBACK.itemsize == 16
REDUCE_GROUPS = 64  # of the dispatch that reduces: enough for any GPU, few enough to cost nothing where idle
REDUCE_SLOTS = 16  # that one of them takes at a time: a thread for each of their children
assert REDUCE_SLOTS * 8 == MASK_WORDS
WISH_LEVEL_MASK = 15  # of a wish: the level that it wants; above it the bits of its width in pixels
assert MAX_LEVEL <= WISH_LEVEL_MASK
TRAIL_FRAMES = 8  # one frame in so many tells which chunks rays only passed through

# std430 mirror of `struct Arrival` in shaders/upload.comp: a packed chunk on its way to a slot.
ARRIVAL = np.dtype([("slot", "<u4"), ("offset_bytes", "<u4"), ("n_bytes", "<u4")])
assert ARRIVAL.itemsize == 12

MAX_COLOURS = 15  # of a palette, so that 4 bits say which one a voxel has, or that it is empty
PALETTE_VOXELS_BYTES = CHUNK_VOXELS // 2

UPLOAD_GROUP = 64  # threads that undo one stream: one per 4^3 block

# Passes ------------------------------------------------------------------------------------------
PASSES = (
    "colour", "depth", "normal", "uvw", "level", "steps", "touched", "residency", "albedo", "semantic",
)  # fmt: skip
ENTITY_COLOURS = 254  # of the pass semantic: entity e has colour 1 + (e - 1) % 254; 0 is no entity
ENTITY_UNREAD = 255  # which entities a chunk holds has not been read yet

# Projections -------------------------------------------------------------------------------------
PROJECTIONS = ("planar", "stereo", "equirect", "cube")
CUBE_FACES = 6


def constants() -> dict[str, int]:
    """Name -> value of every shared integer, in the order written above."""
    shared = {k: v for k, v in globals().items() if k.isupper() and isinstance(v, int)}
    for prefix, names in (("PASS", PASSES), ("PROJECTION", PROJECTIONS)):
        shared |= {f"{prefix}_{name.upper()}": i for i, name in enumerate(names)}
    return shared


def glsl() -> str:
    """GLSL source declaring every shared constant: signed, but for the page entry's bit fields."""
    lines = []
    for name, value in constants().items():
        unsigned = name.startswith("ENTRY_")
        lines.append(f"const {'uint' if unsigned else 'int'} {name} = {value}{'u' * unsigned};")
    return "\n".join(lines) + "\n"
