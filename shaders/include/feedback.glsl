// feedback.glsl: what the rays of a frame tell the streamer. Nothing here is read while marching.
#include "include/march.glsl"

// Mirrors atlas.layout.REQUEST.
struct Request { uint slot, octant, wanted_level; float error; };

layout(std430, binding = 4) coherent buffer Stamps { uint stamps[]; };  // [slot] last frame that touched it
layout(std430, binding = 5) coherent buffer Asked { uint asked[]; };    // [slot * 8 + octant] widest wish, or 0
layout(std430, binding = 6) coherent buffer Feedback {  // its head: atlas.layout.FEEDBACK
    uint n_touched, n_requests, n_requests_lost, n_unresolved;  // unresolved: pixels, not shadow rays
    Request requests[MAX_REQUESTS];
    uint touched_slots[];
};
layout(r32ui, binding = 1) uniform coherent uimage2DArray u_touched;  // one bit per voxel of each slot

uniform uint u_frame;  // 1, 2, ...

// The word of the touched plane that holds a bit: 2048 words a row, 16 slots of 128 words each.
ivec3 touched_texel(uint slot, uint word) {
    return ivec3((slot & 15u) * uint(MASK_WORDS) + word, slot >> 4 & 255u, slot >> 12);
}

// The first ray of a frame to use a slot lists it, so that reducing costs what was used
// and not what is resident.
void stamp(uint slot) {
    if (stamps[slot] == u_frame || atomicExchange(stamps[slot], u_frame) == u_frame) return;
    touched_slots[atomicAdd(n_touched, 1u)] = slot;
}

void touch(uint slot, ivec3 local) {
    uint bit = uint(block_of(local) << 6 | bit_in_block(local));
    ivec3 texel = touched_texel(slot, bit >> 5);
    uint flag = 1u << (bit & 31u);
    uint word = imageLoad(u_touched, texel).x;
    if ((word & flag) == 0u) word = imageAtomicOr(u_touched, texel, flag);
    // Whoever set the first bit of a word stamped its slot.
    if (word == 0u) stamp(slot);
}

// Of all rays' wishes for a child the widest in pixels counts: the bits of a positive float are in order, and
// the lowest of them give way to the level. reduce.comp makes the list of them: a rasteriser in software pays
// for every instruction here at every pixel, whether a ray asks or not.
void request(uint slot, uint octant, int wanted_level, float error) {
    uint wish = floatBitsToUint(error) & ~uint(WISH_LEVEL_MASK) | uint(wanted_level);
    if (asked[slot * 8u + octant] < wish) atomicMax(asked[slot * 8u + octant], wish);
}

uint level_of_wish(uint wish) { return wish & uint(WISH_LEVEL_MASK); }
float error_of_wish(uint wish) { return uintBitsToFloat(wish & ~uint(WISH_LEVEL_MASK)); }

void report(Hit hit, Trail trail, float cone) {
    if (trail.passed != NO_SLOT) stamp(trail.passed);
    if (!is_hit(hit)) return;
    ivec3 local = hit_voxel(hit) & (CHUNK - 1);
    touch(hit.slot, local);
    if (hit_status(hit) == HIT_COARSE)
        request(hit.slot, octant_of_voxel(local), trail.wanted, float(1 << hit_level(hit)) / max(cone * hit.t, 1.0));
}
