"""uvw.glsl against uvw.py, all 2^24 voxels; and the shared constants as GLSL sees them."""

from pathlib import Path

import numpy as np
from voxtide.atlas import layout, uvw

SOURCE = Path(__file__).parents[2] / "shaders" / "include" / "uvw.glsl"
PROGRAM = """
layout(local_size_x = 16, local_size_y = 16) in;
layout(std430, binding = 0) writeonly buffer Out { uint data[]; };
uniform bool forward;

void main() {
    uint i = gl_GlobalInvocationID.y * uint(ATLAS) + gl_GlobalInvocationID.x;
    if (forward) {  // voxel i = (u, v, w) -> x | y << 16
        ivec2 texel = voxel_to_atlas(ivec3(i & 255u, i >> 8 & 255u, i >> 16));
        data[i] = uint(texel.x) | uint(texel.y) << 16;
    } else {  // texel i = (x, y) -> u | v << 8 | w << 16
        ivec3 voxel = atlas_to_voxel(ivec2(gl_GlobalInvocationID.xy));
        data[i] = uint(voxel.x) | uint(voxel.y) << 8 | uint(voxel.z) << 16;
    }
}
"""


def run(gl, program, forward):
    buffer = gl.buffer(reserve=4 * layout.ATLAS**2)
    program["forward"] = forward
    buffer.bind_to_storage_buffer(0)
    program.run(layout.ATLAS // 16, layout.ATLAS // 16)
    gl.finish()
    data = np.frombuffer(buffer.read(), np.uint32).copy()
    buffer.release()
    return data


def test_every_voxel_and_every_texel_agree_with_python(gl):
    lines = [s for s in SOURCE.read_text().splitlines() if not s.startswith("#include")]
    program = gl.compute_shader("#version 450\n" + layout.glsl() + "\n".join(lines) + PROGRAM)
    try:
        texel_of_voxel, voxel_of_texel = run(gl, program, True), run(gl, program, False)
    finally:
        program.release()
    i = np.arange(2**24, dtype=np.uint32)
    x, y = uvw.voxel_to_atlas(
        (i & 255).astype(np.uint8), (i >> 8 & 255).astype(np.uint8), (i >> 16).astype(np.uint8)
    )
    assert np.array_equal(texel_of_voxel, x | y << 16)
    assert np.array_equal(voxel_of_texel[y * layout.ATLAS + x], i)


def test_layout_constants_compile_and_keep_their_values(gl):
    names = sorted(layout.constants())
    body = "".join(f"    data[{i}] = uint({name});\n" for i, name in enumerate(names))
    program = gl.compute_shader(
        "#version 450\n"
        + layout.glsl()
        + "layout(local_size_x = 1) in;\nlayout(std430, binding = 0) buffer Out { uint data[]; };\n"
        + f"void main() {{\n{body}}}\n"
    )
    buffer = gl.buffer(reserve=4 * len(names))
    buffer.bind_to_storage_buffer(0)
    program.run(1)
    gl.finish()
    data = np.frombuffer(buffer.read(), np.uint32).tolist()
    buffer.release()
    program.release()
    assert dict(zip(names, data, strict=True)) == layout.constants()
