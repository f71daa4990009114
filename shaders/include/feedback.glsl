// feedback.glsl: what the rays of a frame tell the streamer. Nothing here is read while marching.
#include "include/march.glsl"

// Mirrors atlas.layout.REQUEST.
struct Request { uint slot, octant, wanted_level; float error; };

layout(std430, binding = 4) coherent buffer Stamps { uint stamps[]; };  // [slot] last frame that touched it
layout(std430, binding = 5) coherent buffer Asked { uint asked[]; };    // [slot] one bit per child octant
layout(std430, binding = 6) coherent buffer Feedback {  // its head: atlas.layout.FEEDBACK
    uint n_groups, one_y, one_z;  // of the dispatch that clears
    uint n_touched, n_requests, n_requests_lost, n_unresolved, pad;  // unresolved: pixels, not shadow rays
    Request requests[MAX_REQUESTS];
    uint touched_slots[];
};
layout(r32ui, binding = 1) uniform coherent uimage2DArray u_touched;  // one bit per voxel of each slot

uniform uint u_frame;  // 1, 2, ...

// The word of the touched plane that holds a bit: 2048 words a row, 16 slots of 128 words each.
ivec3 touched_texel(uint slot, uint word) {
    return ivec3((slot & 15u) * uint(MASK_WORDS) + word, slot >> 4 & 255u, slot >> 12);
}

// The first ray of a frame to use a slot lists it, so that reducing and clearing cost what was used
// and not what is resident.
void stamp(uint slot) {
    if (stamps[slot] == u_frame || atomicExchange(stamps[slot], u_frame) == u_frame) return;
    uint i = atomicAdd(n_touched, 1u);
    touched_slots[i] = slot;
    if (i % uint(CLEAR_SLOTS) == 0u) atomicAdd(n_groups, 1u);
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

void request(uint slot, uint octant, int wanted_level, float error) {
    uint flag = 1u << octant;
    if ((asked[slot] & flag) != 0u || (atomicOr(asked[slot], flag) & flag) != 0u) return;
    uint i = atomicAdd(n_requests, 1u);
    if (i < uint(MAX_REQUESTS)) {
        requests[i] = Request(slot, octant, uint(wanted_level), error);
    } else {  // unlisted: take the bit back, so that it is asked again
        atomicAnd(asked[slot], ~flag);
        atomicAdd(n_requests_lost, 1u);
    }
}

void report(Hit hit, Trail trail, float cone) {
    if (trail.passed != NO_SLOT) stamp(trail.passed);
    if (!is_hit(hit)) return;
    ivec3 local = hit_voxel(hit) & (CHUNK - 1);
    touch(hit.slot, local);
    // A loop that runs once: software rasterisers run the body of an `if` for every lane, whatever its
    // condition, but leave a loop that no lane enters.
    for (bool misses = hit_status(hit) == HIT_COARSE; misses; misses = false)
        request(hit.slot, octant_of_voxel(local), trail.wanted, float(1 << hit_level(hit)) / max(cone * hit.t, 1.0));
}
