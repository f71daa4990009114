"""The march with one optimisation taken out (or one tried), as patches of shaders/include/march.glsl.

Each patch is (text, replacement); a text that is gone from the shader is an error, so that a variant can
not silently become the march itself.
"""

from collections.abc import Callable

import moderngl
from voxtide import shaders
from voxtide.app.render.programs import compile_compute

Patch = tuple[str, str]

VARIANTS: dict[str, list[Patch]] = {
    "march": [],
    "without feedback": [("    report(hit, trail, ray.cone);\n", "")],
    "without the stack of ancestors": [
        ("slot = stack[min(level, u_root_level)];", "level = u_root_level + 1;")
    ],
    "without 2^3 skips": [("int((word >> corner & 0x00330033u) == 0u)", "0")],
    "without 4^3 and 2^3 skips": [
        ("((mask.x | mask.y) == 0u ? 2 : int((word >> corner & 0x00330033u) == 0u))", "0")
    ],
    "without mirrored octants": [
        ("ivec3 mirror = -ivec3(lessThan(ray.direction, vec3(0)));", "ivec3 mirror = ivec3(0);"),
        (
            "vec3 speed = abs(ray.direction);",
            "vec3 speed = ray.direction; bvec3 down = lessThan(speed, vec3(0));",
        ),
        ("lessThan(speed, vec3(1e-12))", "lessThan(abs(speed), vec3(1e-12))"),
        (
            "    float t = max(max(enter",
            "    vec3 near = min(enter, leave); leave = max(enter, leave); enter = near;\n"
            "    float t = max(max(enter",
        ),
        ("if (stepped.x != 0) p.x = begin.x;", "if (stepped.x != 0) p.x = down.x ? end.x - 1 : begin.x;"),
        ("if (stepped.y != 0) p.y = begin.y;", "if (stepped.y != 0) p.y = down.y ? end.y - 1 : begin.y;"),
        ("if (stepped.z != 0) p.z = begin.z;", "if (stepped.z != 0) p.z = down.z ? end.z - 1 : begin.z;"),
        (
            "ivec3 high = ((p >> size) + 1) << size;",
            "ivec3 low = (p >> size) << size, high = low + (1 << size);",
        ),
        ("(vec3(high - eye) - frac)", "(vec3(mix(high, low, down) - eye) - frac)"),
        ("+ eye, p, high - 1);", "+ eye, low, high - 1);"),
        ("mix(next, high, equal", "mix(next, mix(high, low - 1, down), equal"),
        (
            "inside = all(lessThan(next, end));",
            "inside = all(lessThan(next, end)) && all(greaterThanEqual(next, begin));",
        ),
    ],
    "with a beam pre-pass that costs nothing": [
        ("Hit no_hit(int status, int steps)", "float beam_start = 0.0;\nHit no_hit(int status, int steps)"),
        ("enter.z)), 0.0);", "enter.z)), beam_start);"),
        ("if (t == 0.0) stepped", "if (t == beam_start) stepped"),
        (
            "    Trail trail = trail_of(pixel, u_frame);\n    Hit hit = march",
            "    beam_start = beams[pixel.y / 8 * ((u_size.x + 7) / 8) + pixel.x / 8];\n"
            "    Trail trail = trail_of(pixel, u_frame);\n    Hit hit = march",
        ),
        (
            "layout(std430, binding = 3) writeonly",
            "layout(std430, binding = 9) readonly buffer Beams { float beams[]; };\n"
            "layout(std430, binding = 3) writeonly",
        ),
    ],
}


def compile_variant(ctx: moderngl.Context, patches: list[Patch]) -> moderngl.ComputeShader:
    """march.comp with the patches applied to it and its includes."""
    read: Callable[[str], str] = shaders.read
    used: set[str] = set()

    def patched(name: str) -> str:
        text = read(name)
        for old, new in patches:
            if old in text:
                used.add(old)
                text = text.replace(old, new)
        return text

    shaders.read = patched
    try:
        program = compile_compute(ctx, "march.comp", {"TRAIL": 0})
    finally:
        shaders.read = read
    assert used == {old for old, _ in patches}, f"nothing to patch: { ({o for o, _ in patches} - used) }"
    return program
