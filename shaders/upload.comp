#version 450
// upload.comp: expands the packed chunks of a frame into their slots. One workgroup per chunk, one
// thread per 4^3 block: the block's colours start after those of the blocks before it.
#include "generated/layout.glsl"
#include "include/uvw.glsl"

layout(local_size_x = UPLOAD_GROUP) in;

layout(std430, binding = 1) writeonly buffer Masks { uvec2 masks[]; };
layout(std430, binding = 7) readonly buffer Staging { uint staging[]; };  // packed chunks: mask, colours
layout(std430, binding = 8) readonly buffer Arrivals { uvec2 arrivals[]; };  // atlas.layout.ARRIVAL
layout(rgba8, binding = 0) writeonly uniform image2DArray u_atlas;
layout(r32ui, binding = 1) writeonly uniform uimage2DArray u_touched;

uniform int u_first;  // dispatches are cut to what a driver allows

shared uint counts[UPLOAD_GROUP];

void main() {
    uvec2 arrival = arrivals[u_first + int(gl_WorkGroupID.x)];
    uint slot = arrival.x, source = arrival.y;
    uint block = gl_LocalInvocationID.x;
    uvec2 mask = uvec2(staging[source + block * 2u], staging[source + block * 2u + 1u]);
    counts[block] = uint(bitCount(mask.x) + bitCount(mask.y));
    barrier();
    uint colour = source + uint(MASK_WORDS);
    for (uint b = 0u; b < block; b++) colour += counts[b];

    masks[slot * uint(BLOCKS_PER_CHUNK) + block] = mask;
    for (uint word = 0u; word < 2u; word++)
        imageStore(u_touched, ivec3((slot & 15u) * uint(MASK_WORDS) + block * 2u + word, slot >> 4 & 255u, slot >> 12),
                   uvec4(0));
    ivec3 chunk = ivec3(slot, slot >> 4, slot >> 8) & (REGION_CHUNKS - 1);
    ivec3 corner = chunk * CHUNK + ivec3(block, block >> 2, block >> 4) % 4 * BLOCK;
    for (int bit = 0; bit < 64; bit++) {
        uint word = bit < 32 ? mask.x : mask.y;
        if ((word >> (bit & 31) & 1u) == 0u) continue;
        ivec3 uvw = corner + ivec3(bit, bit >> 2, bit >> 4) % 4;
        imageStore(u_atlas, ivec3(voxel_to_atlas(uvw), slot >> 12), unpackUnorm4x8(staging[colour++]));
    }
}
