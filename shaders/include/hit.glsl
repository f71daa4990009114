// hit.glsl: what a ray found. Mirrors atlas.layout.HIT: scalars, so std430 adds no padding.
#include "generated/layout.glsl"

struct Hit {
    int x, y, z;  // voxel at its own level, from the root grid's corner
    float t;      // level-0 voxels along the unit ray to where it entered the voxel
    uint slot;
    uint info;    // status | level << 2 | face << 8 | steps << 12
};

int hit_status(Hit hit) { return int(hit.info & 3u); }
bool is_hit(Hit hit) { return hit_status(hit) == HIT_VOXEL || hit_status(hit) == HIT_COARSE; }
int hit_level(Hit hit) { return int(hit.info >> HIT_LEVEL_SHIFT & 31u); }
int hit_face(Hit hit) { return int(hit.info >> HIT_FACE_SHIFT & 7u); }
int hit_steps(Hit hit) { return int(hit.info >> HIT_STEPS_SHIFT); }
ivec3 hit_voxel(Hit hit) { return ivec3(hit.x, hit.y, hit.z); }
