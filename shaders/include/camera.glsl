// camera.glsl: pixel -> ray. The eye is a voxel and a fraction, so no coordinate is ever large.
#include "include/march.glsl"

uniform ivec2 u_size;      // pixels
uniform ivec3 u_eye;       // voxel, from the root grid's corner
uniform vec3 u_eye_frac;   // [0, 1)
uniform vec3 u_right;      // half the image's width at distance 1
uniform vec3 u_up;         // half the image's height at distance 1
uniform vec3 u_forward;    // unit
uniform float u_cone;      // width of a pixel at distance 1 in the middle of the image, times quality
uniform int u_level_min;

vec3 camera_direction(ivec2 pixel) {  // row 0 is the top of the image
    vec2 s = (2.0 * (vec2(pixel) + 0.5) - vec2(u_size)) / vec2(u_size);
    return u_forward + s.x * u_right - s.y * u_up;
}

Ray camera_ray(ivec2 pixel) {
    vec3 d = camera_direction(pixel);
    float len = length(d);
    return Ray(u_eye, u_eye_frac, d / len, u_cone / len, u_level_min);
}
