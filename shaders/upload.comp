#version 450
// upload.comp: undoes the streams of a frame's chunks into their slots, as atlas/streams.py says. One
// workgroup per chunk, one thread per 4^3 block. Without a palette its colours are running sums that start where
// those of the blocks before it end. Sums are of whole vectors and are cut to bytes last, the same modulo 256.
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

// Which voxels of a 4^3 block there are, of a stream without a palette; `at` moves on to the residuals.
uvec2 mask_of_planes(inout uint at, uint block) {
    uvec2 blocks = uvec2(word_at(at), word_at(at + 4u));
    uint own_bit = 1u << (block & 31u);
    uvec2 before = block < 32u ? uvec2(blocks.x & (own_bit - 1u), 0u) : uvec2(blocks.x, blocks.y & (own_bit - 1u));
    at += 8u;
    uvec2 mask = uvec2(0u);
    if (((block < 32u ? blocks.x : blocks.y) & own_bit) != 0u) {
        uint own = at + 8u * uint(bitCount(before.x) + bitCount(before.y));
        mask = uvec2(word_at(own), word_at(own + 4u));
    }
    at += 8u * uint(bitCount(blocks.x) + bitCount(blocks.y));
    return mask;
}

// Of atlas/palette.py's form: which colour the voxel at `place` in its chunk has, counted from 1; 0 is empty.
uint colour_at(uint at, ivec3 place) {
    uint number = uint((place.x * CHUNK + place.y) * CHUNK + place.z);
    return byte_at(at + number / 2u) >> 4u * (number & 1u) & 15u;
}

ivec3 place_of(int bit) {
    return ivec3(bit, bit >> 2, bit >> 4) % 4;
}

int lowest_of(uvec2 mask) {
    return mask.x != 0u ? findLSB(mask.x) : 32 + findLSB(mask.y);
}

uvec2 without_lowest(uvec2 mask) {
    return mask.x != 0u ? uvec2(mask.x & mask.x - 1u, mask.y) : uvec2(0u, mask.y & mask.y - 1u);
}

void main() {
    Arrival arrival = arrivals[u_first + int(gl_WorkGroupID.x)];
    uint slot = arrival.slot;
    uint block = gl_LocalInvocationID.x;
    ivec3 low = ivec3(block, block >> 2, block >> 4) % 4 * BLOCK;
    uint at = arrival.offset_bytes + 1u;
    uint n_colours = byte_at(arrival.offset_bytes);  // of a palette, or 0
    uint voxels = arrival.offset_bytes + arrival.n_bytes - uint(PALETTE_VOXELS_BYTES);
    bool has_palette = n_colours != 0u, all_equal = false;
    bool opaque = arrival.n_bytes == 1u + 3u * n_colours + uint(PALETTE_VOXELS_BYTES);
    uvec2 mask = uvec2(0u);
    if (!has_palette) mask = mask_of_planes(at, block);
    for (int bit = 0; bit < (has_palette ? 64 : 0); bit++)
        if (colour_at(voxels, low + place_of(bit)) != 0u)
            mask |= bit < 32 ? uvec2(1u << bit, 0u) : uvec2(0u, 1u << (bit - 32));
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
    uint n_plane = n_colours, first = at + block, n_sums = block < n_colours ? 1u : 0u;  // a thread for a colour
    if (!has_palette) {
        all_equal = n_bytes <= 4u;
        opaque = n_bytes == (all_equal ? 3u : 3u * n_voxels);
        n_plane = n_voxels, first = at + counts[block], n_sums = all_equal ? 0u : n_own;
    }
    uvec4 sum = uvec4(0u);
    for (uint i = 0u; i < n_sums; i++) sum += residual_at(first + i, n_plane, opaque);
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
    ivec3 corner = (ivec3(slot, slot >> 4, slot >> 8) & (REGION_CHUNKS - 1)) * CHUNK + low;
    // Two loops: a software rasteriser runs both branches of one, voxel by voxel.
    for (uint i = 0u; i < (has_palette ? 0u : n_own); i++) {
        ivec3 place = place_of(lowest_of(mask));
        mask = without_lowest(mask);
        if (!all_equal) sum += residual_at(first + i, n_plane, opaque);
        imageStore(u_atlas, ivec3(voxel_to_atlas(corner + place), slot >> 12), colour_of(sum, opaque));
    }
    for (uint i = 0u; i < (has_palette ? n_own : 0u); i++) {
        ivec3 place = place_of(lowest_of(mask));
        mask = without_lowest(mask);
        uint colour = colour_at(voxels, low + place);  // sums are of the colours before: the next one's has its own
        imageStore(u_atlas, ivec3(voxel_to_atlas(corner + place), slot >> 12), colour_of(sums[colour], opaque));
    }
}
