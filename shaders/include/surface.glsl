// surface.glsl: what the neighbourhood of a hit voxel tells about the surface it belongs to.
#include "include/feedback.glsl"

ivec3 face_normal(int face) {
    ivec3 n = ivec3(0);
    if (face != FACE_INSIDE) n[face >> 1] = (face & 1) * 2 - 1;
    return n;
}

// Is there a voxel? `home` is the slot of a chunk of this level that was hit: neighbours in it are found at
// once, others by walking down from the root. That chunk is used then, or asked for where it is missing (its
// coarser voxel answers until it comes): so a streamed picture becomes the picture of the whole world.
bool is_occupied(ivec3 voxel, int level, ivec3 home_chunk, uint home) {
    ivec3 local = voxel & (CHUNK - 1);
    if (voxel >> CHUNK_BITS == home_chunk)
        return bit_of(masks[home * uint(BLOCKS_PER_CHUNK) + uint(block_of(local))], bit_in_block(local));
    ivec3 root = voxel >> (CHUNK_BITS + u_root_level - level);
    if (any(lessThan(voxel, ivec3(0))) || any(greaterThanEqual(root, u_root_size))) return false;
    uint entry = root_entry(root), slot = NO_SLOT;
    bool occupied = false;
    for (int k = u_root_level; k >= level && (entry & ENTRY_RESIDENT) != 0u; k--) {
        local = voxel >> (k - level) & (CHUNK - 1);
        slot = entry & ENTRY_SLOT_MASK;
        occupied = bit_of(masks[slot * uint(BLOCKS_PER_CHUNK) + uint(block_of(local))], bit_in_block(local));
        if (!occupied || k == level) { entry = ENTRY_RESIDENT; break; }
        entry = child_entry(slot, octant_of_voxel(local));
    }
    if (slot != NO_SLOT) stamp(slot);
    if (entry == ENTRY_NONE && slot != NO_SLOT) request(slot, octant_of_voxel(local), level, 1.0);
    return occupied && entry != ENTRY_EMPTY;
}

// The 8 voxels around the hit in its own layer and the 9 in the layer before it: a neighbour missing in
// the layer means that the surface falls away there, one standing before it that it rises.
//   -> xyz: smooth unit normal; w: openness in [0, 1], for the ambient light
vec4 surface(ivec3 voxel, int level, ivec3 face, uint slot) {
    ivec3 side = abs(face.zxy);
    ivec3 other = abs(face.yzx);
    ivec3 chunk = voxel >> CHUNK_BITS;
    vec3 tilt = vec3(0);
    float closed = 0.0;
    for (int i = 0; i < 9; i++) {
        ivec3 around = (i % 3 - 1) * side + (i / 3 - 1) * other;
        bool before = is_occupied(voxel + face + around, level, chunk, slot);
        closed += float(before);
        if (i == 4) continue;
        vec3 toward = normalize(vec3(around));
        if (before) tilt -= toward;
        else if (!is_occupied(voxel + around, level, chunk, slot)) tilt += toward;
    }
    return vec4(normalize(vec3(face) * 4.5 + tilt), 1.0 - closed / 9.0);
}
