#version 450
// march.comp: one ray per pixel; writes what it hit and tells the streamer what it touched and missed.
#include "include/camera.glsl"
#include "include/march.glsl"
#include "include/feedback.glsl"

layout(local_size_x = 8, local_size_y = 8) in;
layout(std430, binding = 3) writeonly buffer Hits { Hit hits[]; };

void main() {
    ivec2 pixel = ivec2(gl_GlobalInvocationID.xy);
    if (any(greaterThanEqual(pixel, u_size))) return;
    Ray ray = camera_ray(pixel);
    Trail trail = trail_of(pixel, u_frame);
    Hit hit = march(ray, true, trail);
    hits[pixel.y * u_size.x + pixel.x] = hit;
    if (hit_status(hit) == HIT_UNRESOLVED) atomicAdd(n_unresolved, 1u);
    report(hit, trail, ray.cone);
}
