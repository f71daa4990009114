#version 450
// shade.comp: hits -> the picture of one pass, sRGB bytes.
#include "include/camera.glsl"
#include "include/feedback.glsl"
#include "include/light.glsl"
#include "include/surface.glsl"
#include "include/uvw.glsl"

layout(local_size_x = 8, local_size_y = 8) in;
layout(std430, binding = 3) readonly buffer Hits { Hit hits[]; };
layout(rgba8, binding = 2) writeonly uniform image2D u_picture;
layout(binding = 0) uniform sampler2DArray u_atlas;
layout(binding = 1) uniform usampler2DArray u_entities;    // a row of 4096 per slot, in mask order: which colour
layout(binding = 2) uniform usampler2D u_entities_known;   // whether that row is of the slot's chunk
layout(binding = 3) uniform sampler2D u_entity_colours;

uniform int u_pass;
uniform ivec3 u_corner;  // the root grid's corner, level-0 voxels of the world
uniform vec3 u_sun;      // unit, towards the sun
uniform float u_haze;    // per level-0 voxel
uniform float u_extent;  // level-0 voxels that the depth picture spans
uniform int u_shadows;
uniform float u_exposure; // factor on linear light
uniform int u_has_entities;

vec4 voxel_colour(Hit hit) {
    ivec3 chunk = ivec3(hit.slot, hit.slot >> 4, hit.slot >> 8) & (REGION_CHUNKS - 1);
    ivec3 uvw = chunk * CHUNK + (hit_voxel(hit) & (CHUNK - 1));
    return texelFetch(u_atlas, ivec3(voxel_to_atlas(uvw), hit.slot >> 12), 0);
}

// Rays to the sun tell what they touch and miss like any other.
bool in_shadow(ivec2 pixel, Ray ray, Hit hit, vec3 normal) {
    int level = hit_level(hit);
    vec3 from = ray.frac + ray.direction * hit.t + normal * (0.75 * float(1 << level));
    Ray shadow = Ray(ray.voxel + ivec3(floor(from)), fract(from), u_sun, 0.0, level);
    Trail trail = trail_of(pixel, u_frame);
    Hit occluder = march(shadow, false, trail);
    report(occluder, trail, ray.cone);
    return is_hit(occluder);
}

vec3 colour(ivec2 pixel, Ray ray, Hit hit) {
    vec3 background = sky(ray.direction, u_sun);
    if (!is_hit(hit)) return background;
    vec3 albedo = to_linear(voxel_colour(hit).rgb);
    ivec3 face = face_normal(hit_face(hit));
    if (face == ivec3(0)) return albedo;
    vec4 s = surface(hit_voxel(hit), hit_level(hit), face, hit.slot);
    float sunny = u_shadows != 0 && dot(s.xyz, u_sun) > 0.0 && in_shadow(pixel, ray, hit, vec3(face)) ? 0.0 : 1.0;
    vec3 light = lit(albedo, s.xyz, u_sun, 0.66 + 0.34 * s.w, sunny);
    return mix(SKY_HORIZON, light, exp(-u_haze * hit.t));
}

vec3 heat(float x) {  // dark blue, magenta, orange, pale yellow
    return clamp(vec3(1.7 * x, 2.2 * x - 0.9, 0.35 + 1.6 * x * (0.65 - x) + max(0.0, 3.0 * x - 2.3)), 0.0, 1.0);
}

vec3 tint(uint n) {  // a colour for each number, neighbours well apart
    return 0.55 + 0.45 * cos(6.2832 * (float(n) * 0.61803 + vec3(0.0, 0.33, 0.67)));
}

// Which colour the entity of a voxel has: an index of u_entity_colours.
int entity_colour(Hit hit) {
    ivec2 row = ivec2(hit.slot & uint(SLOTS_PER_LAYER - 1), hit.slot / uint(SLOTS_PER_LAYER));
    if (u_has_entities == 0) return 0;
    if (texelFetch(u_entities_known, row, 0).x == 0u) return ENTITY_UNREAD;
    ivec3 local = hit_voxel(hit) & (CHUNK - 1);
    return int(texelFetch(u_entities, ivec3(block_of(local) << 6 | bit_in_block(local), row), 0).x);
}

vec3 diagnosis(Hit hit) {
    int level = hit_level(hit), face = hit_face(hit);
    float shape = face == FACE_INSIDE ? 1.0 : 0.70 + 0.10 * float(face >> 1) + 0.05 * float(face & 1);
    if (u_pass == PASS_DEPTH) return vec3(1.0 / (1.0 + 3.0 * hit.t / u_extent));
    if (u_pass == PASS_NORMAL) return 0.5 + 0.5 * vec3(face_normal(face));
    if (u_pass == PASS_SEMANTIC) return texelFetch(u_entity_colours, ivec2(entity_colour(hit), 0), 0).rgb * shape;
    if (u_pass == PASS_LEVEL) return tint(uint(level)) * shape;
    if (u_pass == PASS_TOUCHED) {
        ivec3 local = hit_voxel(hit) & (CHUNK - 1);
        uint bit = uint(block_of(local) << 6 | bit_in_block(local));
        uint word = imageLoad(u_touched, touched_texel(hit.slot, bit >> 5)).x;
        return (word >> (bit & 31u) & 1u) != 0u ? tint(hit.slot) * shape : vec3(0.08);
    }
    bool coarse = hit_status(hit) == HIT_COARSE;  // PASS_RESIDENCY
    return (coarse ? vec3(0.95, 0.45, 0.10) : vec3(0.20, 0.70, 0.35)) * shape * exp(-0.12 * float(level));
}

void main() {
    ivec2 pixel = ivec2(gl_GlobalInvocationID.xy);
    if (any(greaterThanEqual(pixel, u_size))) return;
    Hit hit = hits[pixel.y * u_size.x + pixel.x];
    vec4 picture = vec4(0.05, 0.05, 0.06, 1.0);
    if (u_pass == PASS_COLOUR) picture.rgb = to_srgb(u_exposure * colour(pixel, camera_ray(pixel), hit));
    else if (u_pass == PASS_STEPS) picture.rgb = heat(min(float(hit_steps(hit)) / 96.0, 1.0));
    else if (u_pass == PASS_UVW || u_pass == PASS_ALBEDO) picture = vec4(0);  // holes are told by alpha
    if (u_pass != PASS_COLOUR && u_pass != PASS_STEPS && is_hit(hit)) {
        ivec3 uvw = hit_voxel(hit) + (u_corner >> hit_level(hit)) & (REGION - 1);
        if (u_pass == PASS_UVW) picture = vec4(vec3(uvw) / 255.0, 1.0);
        else picture = vec4(u_pass == PASS_ALBEDO ? voxel_colour(hit).rgb : diagnosis(hit), 1.0);
    }
    imageStore(u_picture, ivec2(pixel.x, imageSize(u_picture).y - 1 - pixel.y), picture);  // GL counts rows from below
}
