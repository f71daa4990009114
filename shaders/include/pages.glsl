// pages.glsl: where a chunk lies. Mirrors atlas/page_table.py.
// `pages` holds the root grid first, then eight child entries for each slot.
#include "generated/layout.glsl"

layout(std430, binding = 0) readonly buffer Pages { uint pages[]; };
layout(std430, binding = 1) readonly buffer Masks { uvec2 masks[]; };  // [slot * 64 + block]

uniform ivec3 u_root_size;  // root grid, in chunks of the root level
uniform int u_root_level;

// Voxels are counted from the root grid's corner: never negative inside the world, and a world that
// lies far from the origin is the same to every ray.
uint root_entry(ivec3 chunk) {
    return pages[chunk.x + u_root_size.x * (chunk.y + u_root_size.y * chunk.z)];
}

uint child_entry(uint slot, uint octant) {
    uint n_root = uint(u_root_size.x * u_root_size.y * u_root_size.z);
    return pages[n_root + slot * 8u + octant];
}

uint octant_of_voxel(ivec3 local) {  // which child chunk holds the finer half of this voxel
    ivec3 half_ = local >> (CHUNK_BITS - 1);
    return uint(half_.x | half_.y << 1 | half_.z << 2);
}

int block_of(ivec3 local) {
    ivec3 b = local >> 2;
    return b.x | b.y << 2 | b.z << 4;
}

int bit_in_block(ivec3 local) {
    ivec3 b = local & (BLOCK - 1);
    return b.x | b.y << 2 | b.z << 4;
}

bool bit_of(uvec2 mask, int bit) {
    return ((bit < 32 ? mask.x : mask.y) >> (bit & 31) & 1u) != 0u;
}
