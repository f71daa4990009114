#version 450
// clear.comp: forgets the touched bits of the slots that were touched and the bits of what was asked.
#include "include/feedback.glsl"

layout(local_size_x = MASK_WORDS) in;

void main() {
    uint word = gl_LocalInvocationID.x;
    uint first = gl_WorkGroupID.x * uint(CLEAR_SLOTS);
    uint last = min(first + uint(CLEAR_SLOTS), n_touched);
    for (uint i = first; i < last; i++) imageStore(u_touched, touched_texel(touched_slots[i], word), uvec4(0));
    uint n = min(n_requests, uint(MAX_REQUESTS));
    for (uint i = gl_GlobalInvocationID.x; i < n; i += gl_NumWorkGroups.x * uint(MASK_WORDS))
        asked[requests[i].slot] = 0u;
}
