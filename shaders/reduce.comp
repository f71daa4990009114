#version 450
// reduce.comp: lists the wishes of a frame's rays, and forgets them and the touched bits. Its cost follows what
// was touched: a group takes REDUCE_SLOTS of the touched slots at a time. Each thread reads the wish for one
// child of one of them, then clears one word of each.
#include "include/feedback.glsl"

layout(local_size_x = MASK_WORDS) in;

void list(uint slot, uint octant) {
    uint wish = asked[slot * 8u + octant];
    if (wish == 0u) return;
    asked[slot * 8u + octant] = 0u;
    uint i = atomicAdd(n_requests, 1u);
    if (i < uint(MAX_REQUESTS)) requests[i] = Request(slot, octant, level_of_wish(wish), error_of_wish(wish));
    else atomicAdd(n_requests_lost, 1u);  // it will be asked again
}

void main() {
    uint thread = gl_LocalInvocationID.x;
    uint stride = gl_NumWorkGroups.x * uint(REDUCE_SLOTS);
    for (uint first = gl_WorkGroupID.x * uint(REDUCE_SLOTS); first < n_touched; first += stride) {
        uint last = min(first + uint(REDUCE_SLOTS), n_touched);
        uint mine = first + thread / 8u;
        if (mine < last) list(touched_slots[mine], thread % 8u);
        for (uint i = first; i < last; i++) imageStore(u_touched, touched_texel(touched_slots[i], thread), uvec4(0));
    }
}
