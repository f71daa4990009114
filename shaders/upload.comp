#version 450
// upload.comp: undoes the streams of a frame's chunks into their slots, as atlas/streams.py says. One
// workgroup per chunk, one thread per 4^3 block: its colours are running sums that start where those of the
// blocks before it end. Sums are of whole vectors and are cut to bytes last, which is the same modulo 256.
// One thread adds up what blocks have; each adding for itself took a software rasteriser a third longer.
#include "generated/layout.glsl"
#include "include/uvw.glsl"

layout(local_size_x = UPLOAD_GROUP) in;

layout(std430, binding = 1) writeonly buffer Masks { uvec2 masks[]; };
struct Arrival { uint slot, offset_bytes, n_bytes; };  // atlas.layout.ARRIVAL
layout(std430, binding = 7) readonly buffer Staging { uint staging[]; };  // streams, at any byte
layout(std430, binding = 8) readonly buffer Arrivals { Arrival arrivals[]; };
layout(rgba8, binding = 0) writeonly uniform image2DArray u_atlas;
layout(r32ui, binding = 1) writeonly uniform uimage2DArray u_touched;

uniform int u_first;  // dispatches are cut to what a driver allows

shared uint counts[UPLOAD_GROUP];  // voxels of each block, then of all blocks before it
shared uvec4 sums[UPLOAD_GROUP];   // likewise of residuals
shared uint n_voxels;

uint byte_at(uint at) {
    return staging[at >> 2] >> ((at & 3u) * 8u) & 255u;
}

uint word_at(uint at) {
    uint shift = (at & 3u) * 8u;
    uint low = staging[at >> 2] >> shift;
    return shift == 0u ? low : low | staging[(at >> 2) + 1u] << (32u - shift);
}

// What one voxel adds to R, G - R, B - G and A. Planes are n_plane bytes apart; an opaque chunk has three.
uvec4 residual_at(uint at, uint n_plane, bool opaque) {
    return uvec4(byte_at(at), byte_at(at + n_plane), byte_at(at + 2u * n_plane),
                 opaque ? 0u : byte_at(at + 3u * n_plane));
}

vec4 colour_of(uvec4 sum, bool opaque) {
    uint green = sum.x + sum.y;
    return vec4(uvec4(sum.x, green, green + sum.z, opaque ? 255u : sum.w) & 255u) / 255.0;
}

void main() {
    Arrival arrival = arrivals[u_first + int(gl_WorkGroupID.x)];
    uint slot = arrival.slot;
    uint block = gl_LocalInvocationID.x;
    uvec2 blocks = uvec2(word_at(arrival.offset_bytes), word_at(arrival.offset_bytes + 4u));
    uint own_bit = 1u << (block & 31u);
    uvec2 before = block < 32u ? uvec2(blocks.x & (own_bit - 1u), 0u) : uvec2(blocks.x, blocks.y & (own_bit - 1u));
    uint at = arrival.offset_bytes + 8u;
    uvec2 mask = uvec2(0u);
    if (((block < 32u ? blocks.x : blocks.y) & own_bit) != 0u) {
        uint own = at + 8u * uint(bitCount(before.x) + bitCount(before.y));
        mask = uvec2(word_at(own), word_at(own + 4u));
    }
    at += 8u * uint(bitCount(blocks.x) + bitCount(blocks.y));
    uint n_own = uint(bitCount(mask.x) + bitCount(mask.y));
    counts[block] = n_own;
    barrier();
    if (block == 0u) {
        uint total = 0u;
        for (uint b = 0u; b < UPLOAD_GROUP; b++) {
            uint n = counts[b];
            counts[b] = total;
            total += n;
        }
        n_voxels = total;
    }
    barrier();
    uint n_bytes = arrival.offset_bytes + arrival.n_bytes - at;
    bool all_equal = n_bytes <= 4u;
    bool opaque = n_bytes == (all_equal ? 3u : 3u * n_voxels);
    uint first = at + counts[block];
    uvec4 sum = uvec4(0u);
    for (uint i = 0u; i < n_own && !all_equal; i++) sum += residual_at(first + i, n_voxels, opaque);
    sums[block] = sum;
    barrier();
    if (block == 0u) {
        uvec4 total = uvec4(0u);
        for (uint b = 0u; b < UPLOAD_GROUP; b++) {
            uvec4 own = sums[b];
            sums[b] = total;
            total += own;
        }
    }
    barrier();
    sum = all_equal ? residual_at(at, 1u, opaque) : sums[block];

    masks[slot * uint(BLOCKS_PER_CHUNK) + block] = mask;
    for (uint word = 0u; word < 2u; word++)
        imageStore(u_touched, ivec3((slot & 15u) * uint(MASK_WORDS) + block * 2u + word, slot >> 4 & 255u, slot >> 12),
                   uvec4(0));
    ivec3 chunk = ivec3(slot, slot >> 4, slot >> 8) & (REGION_CHUNKS - 1);
    ivec3 corner = chunk * CHUNK + ivec3(block, block >> 2, block >> 4) % 4 * BLOCK;
    for (uint i = 0u; i < n_own; i++) {
        int bit = mask.x != 0u ? findLSB(mask.x) : 32 + findLSB(mask.y);
        mask = mask.x != 0u ? uvec2(mask.x & mask.x - 1u, mask.y) : uvec2(0u, mask.y & mask.y - 1u);
        ivec3 uvw = corner + ivec3(bit, bit >> 2, bit >> 4) % 4;
        if (!all_equal) sum += residual_at(first + i, n_voxels, opaque);
        imageStore(u_atlas, ivec3(voxel_to_atlas(uvw), slot >> 12), colour_of(sum, opaque));
    }
}
