"""What this machine's GL can do, found by doing it.

`python -m voxtide.app.render.probe` prints it as one JSON object. `doctor` runs that as a child and never
calls it: a broken driver ends the process it runs in.
"""

import json
import sys
from typing import Any

import moderngl

from ...atlas import layout

# The two things everything else leans on, in one dispatch: image atomics and a storage buffer. Kept here and
# not in shaders/, so that a fault in the composer cannot be mistaken for a fault of the driver.
_SOURCE = """
#version 450
layout(local_size_x = 64) in;
layout(r32ui, binding = 0) uniform uimage2D seen;
layout(std430, binding = 0) buffer Count { uint n_first; };
void main() {
    uint bit = 1u << (gl_LocalInvocationID.x & 31u);
    if ((imageAtomicOr(seen, ivec2(0), bit) & bit) == 0u) atomicAdd(n_first, 1u);
}
"""
_N_BITS = 32  # 64 threads set 32 bits, each exactly once first


def computes(ctx: moderngl.Context) -> str:
    """Run the dispatch above. -> "" when the answer is right, else what went wrong, in one line."""
    try:
        shader = ctx.compute_shader(_SOURCE)
    except moderngl.Error as error:
        return f"the compute shader does not compile: {' '.join(str(error).split())}"
    image = ctx.texture((1, 1), 1, data=bytes(4), dtype="u4")
    count = ctx.buffer(data=bytes(4))
    image.bind_to_image(0, read=True, write=True)
    count.bind_to_storage_buffer(0)
    shader.run(1)
    ctx.finish()
    n_first = int.from_bytes(count.read(), sys.byteorder)
    n_bits = int.from_bytes(image.read(), sys.byteorder).bit_count()
    for resource in (image, count, shader):
        resource.release()
    if (n_first, n_bits) != (_N_BITS, _N_BITS):
        return f"image atomics are wrong: {n_bits} bits set, {n_first} times first, expected {_N_BITS}"
    return ""


def probe() -> dict[str, Any]:
    """Make a context without a display and describe it.

    -> version (45 for 4.5), vendor, renderer, driver (GL_VERSION), max_storage_bytes (of one buffer),
       max_array_layers, max_texture_texels (along an edge), atlas_texels (what one layer needs),
       compute_fault ("" when compute shaders and image atomics give the right answer)
    Raises what moderngl raises when there is no context to be had.
    """
    ctx = moderngl.create_context(standalone=True, backend="egl")  # type: ignore[arg-type]  # its stub types **settings wrongly
    try:
        info = ctx.info
        return {
            "version": ctx.version_code // 10,
            "vendor": info["GL_VENDOR"],
            "renderer": info["GL_RENDERER"],
            "driver": info["GL_VERSION"],
            "max_storage_bytes": int(info.get("GL_MAX_SHADER_STORAGE_BLOCK_SIZE", 0)),
            "max_array_layers": int(info["GL_MAX_ARRAY_TEXTURE_LAYERS"]),
            "max_texture_texels": int(info["GL_MAX_TEXTURE_SIZE"]),
            "atlas_texels": layout.ATLAS,
            "compute_fault": computes(ctx) if ctx.version_code >= 450 else "needs GL 4.5",
        }
    finally:
        ctx.release()


if __name__ == "__main__":
    print(json.dumps(probe()))
