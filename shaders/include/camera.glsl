// camera.glsl: pixel -> ray. An eye is a voxel and a fraction, so no coordinate is ever large.
// Its twin is rays() in tests/cameras.py.
#include "include/march.glsl"

uniform ivec2 u_size;           // pixels of the whole picture, both eyes
uniform int u_projection;       // PROJECTION_*
uniform ivec3 u_eye;            // voxel, from the root grid's corner; stereo: of the left eye
uniform vec3 u_eye_frac;        // [0, 1)
uniform ivec3 u_right_eye;      // stereo only
uniform vec3 u_right_eye_frac;
uniform vec3 u_right;           // half an eye's image width at distance 1; equirect, cube: unit
uniform vec3 u_up;              // half the image's height at distance 1; equirect, cube: unit, straight up
uniform vec3 u_forward;         // to the middle of the image, whose plane is at distance 1
uniform float u_cone;           // width of a pixel at distance 1 in the middle of the image, times quality
uniform int u_level_min;

const float PI = 3.14159265358979;

// (cos, sin) of pi * x, |x| <= 1, to 2e-7. GLSL promises nothing of sin() and drivers differ by up to 2^-11,
// half a pixel of an 8k panorama. The quarter turns come off exactly, the rest is Taylor's series to r^9.
vec2 cos_sin_pi(float x) {
    float quarter = floor(2.0 * x + 0.5);
    float r = PI * (x - 0.5 * quarter), rr = r * r;
    float c = 1.0 + rr * (-1.0 / 2.0 + rr * (1.0 / 24.0 + rr * (-1.0 / 720.0 + rr / 40320.0)));
    float s = r * (1.0 + rr * (-1.0 / 6.0 + rr * (1.0 / 120.0 + rr * (-1.0 / 5040.0 + rr / 362880.0))));
    int q = int(quarter) & 3;
    vec2 turned = (q & 1) == 0 ? vec2(c, s) : vec2(-s, c);
    return (q & 2) == 0 ? turned : -turned;
}

// Columns are longitude, forward in the middle and to the right growing; rows are latitude.
vec3 equirect_direction(vec2 s) {
    vec2 longitude = cos_sin_pi(s.x), latitude = cos_sin_pi(-0.5 * s.y);
    return latitude.x * (longitude.x * u_forward + longitude.y * u_right) + latitude.y * u_up;
}

// The faces of a cube map in the order of GL and DirectX, +x -x +y -y +z -z, of an engine whose y is up and whose
// z is ahead: right, left, up, down, ahead, back. Each is what one sees after turning there.
vec3 cube_direction(int face, vec2 s) {
    vec3 ahead = (face & 1) == 0 ? u_forward : -u_forward;
    if (face < 2) return ((face & 1) == 0 ? u_right - s.x * u_forward : s.x * u_forward - u_right) - s.y * u_up;
    if (face < 4) return ((face & 1) == 0 ? u_up : -u_up) + s.x * u_right + s.y * ahead;
    return ahead + ((face & 1) == 0 ? s.x : -s.x) * u_right - s.y * u_up;
}

Ray camera_ray(ivec2 pixel) {  // row 0 is the top of the image
    ivec2 size = u_size;
    ivec3 eye = u_eye;
    vec3 frac = u_eye_frac;
    if (u_projection == PROJECTION_STEREO) {
        size.x /= 2;
        if (pixel.x >= size.x) { pixel.x -= size.x; eye = u_right_eye; frac = u_right_eye_frac; }
    }
    int face = 0;
    if (u_projection == PROJECTION_CUBE) {
        size.x /= CUBE_FACES;
        face = pixel.x / size.x;
        pixel.x -= face * size.x;
    }
    vec2 s = (2.0 * (vec2(pixel) + 0.5) - vec2(size)) / vec2(size);
    vec3 d = u_projection == PROJECTION_EQUIRECT ? equirect_direction(s)
           : u_projection == PROJECTION_CUBE     ? cube_direction(face, s)
                                                 : u_forward + s.x * u_right - s.y * u_up;
    float len = length(d);
    return Ray(eye, frac, d / len, u_cone / len, u_level_min);
}
