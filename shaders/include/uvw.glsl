// The UVW bijection: 256^3 voxels of a region <-> 4096^2 texels. Python twin: atlas/uvw.py.
#include "generated/layout.glsl"

// uvw in [0, REGION)^3 -> texel in [0, ATLAS)^2. Not checked: the caller masks.
ivec2 voxel_to_atlas(ivec3 uvw) {
    const int tiles = ATLAS / REGION;
    return ivec2(uvw.z % tiles, uvw.z / tiles) * REGION + uvw.xy;
}

// texel in [0, ATLAS)^2 -> uvw in [0, REGION)^3.
ivec3 atlas_to_voxel(ivec2 texel) {
    const int tiles = ATLAS / REGION;
    ivec2 tile = texel / REGION;
    return ivec3(texel % REGION, tile.y * tiles + tile.x);
}
