#version 450
// naive.comp: the bench's baseline. A flat page table that knows only level 0; per-voxel DDA
// (Amanatides and Woo 1987), a chunk that is empty is left in one step when SKIP_CHUNKS is set.
layout(local_size_x = 8, local_size_y = 8) in;

layout(std430, binding = 0) readonly buffer Flat { uint flat_pages[]; };  // slot + 1 per level-0 chunk
layout(std430, binding = 1) readonly buffer Masks { uvec2 masks[]; };
layout(std430, binding = 3) writeonly buffer Hits { ivec4 hits[]; };  // voxel, steps; x = -1: none

uniform ivec2 u_size;
uniform ivec3 u_eye;
uniform vec3 u_eye_frac, u_right, u_up, u_forward;
uniform ivec3 u_chunks;  // extent of the flat table

void main() {
    ivec2 pixel = ivec2(gl_GlobalInvocationID.xy);
    if (any(greaterThanEqual(pixel, u_size))) return;
    vec2 s = (2.0 * (vec2(pixel) + 0.5) - vec2(u_size)) / vec2(u_size);
    vec3 d = normalize(u_forward + s.x * u_right - s.y * u_up);
    vec3 o = vec3(u_eye) + u_eye_frac;
    vec3 inv = 1.0 / mix(d, vec3(1e-12), lessThan(abs(d), vec3(1e-12)));
    ivec3 extent = u_chunks * 16;
    vec3 a = -o * inv, b = (vec3(extent) - o) * inv;
    vec3 lo = min(a, b), hi = max(a, b);
    float t = max(max(lo.x, max(lo.y, lo.z)), 0.0), t_out = min(hi.x, min(hi.y, hi.z));
    ivec4 hit = ivec4(-1, 0, 0, 0);
    if (t < t_out) {
        ivec3 p = clamp(ivec3(floor(o + d * t)), ivec3(0), extent - 1);
        ivec3 stride = ivec3(sign(d));
        vec3 delta = abs(inv);
        vec3 next = (vec3(p + max(stride, 0)) - o) * inv;
        for (int steps = 1; steps < 4096; steps++) {
            ivec3 c = p >> 4;
            uint page = flat_pages[c.x + u_chunks.x * (c.y + u_chunks.y * c.z)];
            if (page != 0u) {
                ivec3 l = p & 15, b4 = l >> 2, v = l & 3;
                uvec2 m = masks[(page - 1u) * 64u + uint(b4.x | b4.y << 2 | b4.z << 4)];
                uint word = v.z < 2 ? m.x : m.y;
                if ((word >> (v.x | v.y << 2 | (v.z & 1) << 4) & 1u) != 0u) { hit = ivec4(p, steps); break; }
            }
#ifdef SKIP_CHUNKS
            else {
                ivec3 edge = (c + max(stride, 0)) * 16;
                vec3 leave = (vec3(edge) - o) * inv;
                t = min(leave.x, min(leave.y, leave.z));
                ivec3 q = clamp(ivec3(floor(o + d * t)), c * 16, c * 16 + 15);
                if (leave.x == t) q.x = edge.x - int(stride.x < 0);
                else if (leave.y == t) q.y = edge.y - int(stride.y < 0);
                else q.z = edge.z - int(stride.z < 0);
                p = q;
                next = (vec3(p + max(stride, 0)) - o) * inv;
                if (any(lessThan(p, ivec3(0))) || any(greaterThanEqual(p, extent))) break;
                continue;
            }
#endif
            if (next.x <= next.y && next.x <= next.z) { p.x += stride.x; next.x += delta.x; }
            else if (next.y <= next.z) { p.y += stride.y; next.y += delta.y; }
            else { p.z += stride.z; next.z += delta.z; }
            if (any(lessThan(p, ivec3(0))) || any(greaterThanEqual(p, extent))) { hit.w = steps; break; }
        }
    }
    hits[pixel.y * u_size.x + pixel.x] = hit;
}
