#version 450
// probe.comp: rays in, hits out. The kernel that tests compare with the reference, and that picks.
#include "include/march.glsl"
#include "include/feedback.glsl"

layout(local_size_x = 64) in;

struct ProbeRay { int x, y, z; float cone; float fx, fy, fz; int level_min; float dx, dy, dz, pad; };

layout(std430, binding = 2) readonly buffer Rays { ProbeRay rays[]; };  // atlas.layout.RAY
layout(std430, binding = 3) writeonly buffer Hits { Hit hits[]; };

uniform int u_n_rays;

void main() {
    int i = int(gl_GlobalInvocationID.x);
    if (i >= u_n_rays) return;
    ProbeRay r = rays[i];
    Trail trail = trail_of(ivec2(i, 0), u_frame);
    Ray ray = Ray(ivec3(r.x, r.y, r.z), vec3(r.fx, r.fy, r.fz), vec3(r.dx, r.dy, r.dz), r.cone, r.level_min);
    Hit hit = march(ray, false, trail);
    hits[i] = hit;
    if (hit_status(hit) == HIT_UNRESOLVED) atomicAdd(n_unresolved, 1u);
    report(hit, trail, r.cone);
}
