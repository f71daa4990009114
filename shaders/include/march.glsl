// march.glsl: one ray through the octree of chunks.
//
// Twin of tests/reference.py, which says the rule plainly: walk the cells that the ray enters, coarse
// to fine; an occupied voxel ends the ray when it is no wider than the pixel's cone there, or when its
// finer chunk is not resident; otherwise its children are walked.
//
// What makes it fast: 64-bit masks tell an empty 4^3 block in one fetch; the slots of all ancestors
// stay on a stack; after a step the highest coordinate bit that changed tells the common ancestor;
// coordinates are mirrored (p ^ -1) so that every ray steps towards +x +y +z.
// What keeps it exact: positions are integers, t is computed from the integer distance to the eye,
// and a step may never leave the cell sideways, however t was rounded.
#include "include/hit.glsl"
#include "include/pages.glsl"

struct Ray {
    ivec3 voxel;     // of the origin
    vec3 frac;       // position in that voxel, [0, 1)
    vec3 direction;  // unit length
    float cone;      // pixel width per unit of distance
    int level_min;   // never go finer
};

const float PARALLEL = 1e30;        // 1/0 that stays finite when multiplied by a distance
const int COARSEN_STEPS = 1 << 12;  // past this many steps a ray may end one level coarser, and so on:
                                    // it always ends, whatever the pages say

Hit no_hit(int steps) { return Hit(0, 0, 0, -1.0, 0u, uint(HIT_NONE | steps << HIT_STEPS_SHIFT)); }

// `wanted` gets the level that the pixel asks for where the ray ends.
Hit march(Ray ray, out int wanted) {
    wanted = 0;
    ivec3 mirror = -ivec3(lessThan(ray.direction, vec3(0)));  // -1 where the ray goes down an axis
    vec3 speed = abs(ray.direction);
    vec3 inverse = mix(1.0 / speed, vec3(PARALLEL), lessThan(speed, vec3(1e-12)));
    ivec3 eye = ray.voxel ^ mirror;
    vec3 frac = mix(ray.frac, 1.0 - ray.frac, notEqual(mirror, ivec3(0)));
    ivec3 extent = u_root_size << (CHUNK_BITS + u_root_level);
    ivec3 begin = mirror * extent;  // mirrored world: [begin, end)
    ivec3 end = begin + extent;

    vec3 enter = (vec3(begin - eye) - frac) * inverse;
    vec3 leave = (vec3(end - eye) - frac) * inverse;
    float t = max(max(enter.x, max(enter.y, enter.z)), 0.0);
    if (t >= min(leave.x, min(leave.y, leave.z))) return no_hit(0);
    int axis = t == 0.0 ? -1 : t == enter.x ? 0 : t == enter.y ? 1 : 2;
    ivec3 p = clamp(t == 0.0 ? eye : ivec3(floor(frac + speed * t)) + eye, begin, end - 1);
    if (axis >= 0) p[axis] = begin[axis];

    uint stack[MAX_LEVEL + 1];  // slots of the chunks that hold p, by level
    int level = u_root_level + 1;  // above the root: the root entry is still to be read
    int level_min = ray.level_min;
    uint slot = 0u;
    for (int steps = 1;; steps++) {
        int size = 0;  // log2 of the empty aligned cube around p, level-0 voxels
        ivec3 q = p ^ mirror;
        if (level > u_root_level) {
            uint entry = root_entry(q >> (CHUNK_BITS + u_root_level));
            if (entry != ENTRY_NONE) {
                level = u_root_level;
                slot = entry & ENTRY_SLOT_MASK;
                stack[level] = slot;
                continue;
            }
            size = u_root_level + CHUNK_BITS;
        } else {
            ivec3 local = q >> level & (CHUNK - 1);
            uvec2 mask = masks[slot * uint(BLOCKS_PER_CHUNK) + uint(block_of(local))];
            uint word = (local.z & 2) == 0 ? mask.x : mask.y;
            if ((mask.x | mask.y) == 0u) {
                size = level + 2;
            } else if ((word >> (bit_in_block(local) & 31) & 1u) != 0u) {
                bool fine_enough = level <= level_min || ray.cone * t >= float(1 << level);
                uint child = fine_enough ? ENTRY_NONE : child_entry(slot, octant_of_voxel(local));
                if (child == ENTRY_NONE) {
                    wanted = max(ray.level_min, findMSB(int(ray.cone * t)));
                    int face = axis < 0 ? FACE_INSIDE : 2 * axis - mirror[axis];
                    int status = fine_enough ? HIT_VOXEL : HIT_COARSE;
                    ivec3 v = q >> level;
                    return Hit(v.x, v.y, v.z, t, slot,
                               uint(status | level << HIT_LEVEL_SHIFT | face << HIT_FACE_SHIFT
                                    | steps << HIT_STEPS_SHIFT));
                }
                level--;
                slot = child & ENTRY_SLOT_MASK;
                stack[level] = slot;
                continue;
            } else {
                uint corner = uint((local.x & 2) | (local.y & 2) << 2);
                size = level + int((word >> corner & 0x00330033u) == 0u);
            }
        }

        ivec3 high = ((p >> size) + 1) << size;
        vec3 planes = (vec3(high - eye) - frac) * inverse;
        t = min(planes.x, min(planes.y, planes.z));
        axis = planes.x == t ? 0 : planes.y == t ? 1 : 2;
        ivec3 next = clamp(ivec3(floor(frac + speed * t)) + eye, p, high - 1);
        next[axis] = high[axis];
        if (any(greaterThanEqual(next, end))) return no_hit(steps);

        ivec3 changed = p ^ next;
        int crossed = findMSB(changed.x | changed.y | changed.z);  // entered a new cell of this level
        p = next;
        // Up to where the old and the new cell share a chunk; and, when the pixel has grown to the
        // width of a coarser cell that was just entered, up to that one.
        level = max(level, max(crossed - (CHUNK_BITS - 1), min(crossed, findMSB(int(ray.cone * t)))));
        if (level <= u_root_level) slot = stack[level];
        else if (crossed - (CHUNK_BITS - 1) <= u_root_level) slot = stack[level = u_root_level];
        if (steps > COARSEN_STEPS) level_min = max(level_min, steps / COARSEN_STEPS);
    }
}
