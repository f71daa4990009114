// surface.glsl: what the neighbourhood of a hit voxel tells about the surface it belongs to.
#include "include/pages.glsl"

ivec3 face_normal(int face) {
    ivec3 n = ivec3(0);
    if (face != FACE_INSIDE) n[face >> 1] = (face & 1) * 2 - 1;
    return n;
}

// The 8 voxels around the hit in its own layer and the 9 in the layer before it: a neighbour missing in
// the layer means that the surface falls away there, one standing before it that it rises.
//   -> xyz: smooth unit normal; w: openness in [0, 1], for the ambient light
vec4 surface(ivec3 voxel, int level, ivec3 face) {
    ivec3 side = abs(face.zxy);
    ivec3 other = abs(face.yzx);
    vec3 tilt = vec3(0);
    float closed = 0.0;
    for (int i = 0; i < 9; i++) {
        ivec3 around = (i % 3 - 1) * side + (i / 3 - 1) * other;
        bool before = is_occupied(voxel + face + around, level);
        closed += float(before);
        if (i == 4) continue;
        vec3 toward = normalize(vec3(around));
        if (before) tilt -= toward;
        else if (!is_occupied(voxel + around, level)) tilt += toward;
    }
    return vec4(normalize(vec3(face) * 4.5 + tilt), 1.0 - closed / 9.0);
}
