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

// floor(log2(v)) by the exponent of a float: cheaper than findMSB in software, and negative below 1.
int log2_floor(float v) { return (floatBitsToInt(v) >> 23) - 127; }

Hit no_hit(int status, int steps) { return Hit(0, 0, 0, -1.0, 0u, uint(status | steps << HIT_STEPS_SHIFT)); }

// Rays from the eye need not walk down from the root: the slots of the chunks that hold the eye, from
// level u_start_level upwards, are the same for all of them.
uniform int u_start_level;  // above the root level: not known
uniform uint u_start_slots[MAX_LEVEL + 1];

// What a march tells beside its hit.
// A chunk that rays only pass through must not be thought unused. To stamp each would cost a fifth of the
// march; so only every TRAIL_FRAMES-th frame is marched with TRAIL, and a ray remembers one in `period`, the
// turn-th. Other turns come with other pixels and in other frames.
struct Trail {
    int turn, period;  // in
    int wanted;        // out: the level that the pixel asks for where the ray ends
    uint passed;       // out: slot of a chunk that the ray went through, or NO_SLOT
};

#ifndef TRAIL
#define TRAIL 1
#endif

const uint NO_SLOT = 0xffffffffu;

Trail trail_of(ivec2 pixel, uint frame) {
    uint round_ = frame / uint(TRAIL_FRAMES);
    int period = 3 + int(round_ & 3u);
    return Trail((pixel.x + 2 * pixel.y + int(round_)) % period, period, 0, NO_SLOT);
}

Hit march(Ray ray, bool from_eye, inout Trail trail) {
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
    if (t >= min(leave.x, min(leave.y, leave.z))) return no_hit(HIT_NONE, 0);
    ivec3 stepped = ivec3(equal(enter, vec3(t)));
    if (t == 0.0) stepped = ivec3(0);
    ivec3 p = clamp(t == 0.0 ? eye : ivec3(floor(frac + speed * t)) + eye, begin, end - 1);
    if (stepped.x != 0) p.x = begin.x;
    if (stepped.y != 0) p.y = begin.y;
    if (stepped.z != 0) p.z = begin.z;

    uint stack[MAX_LEVEL + 1];  // slots of the chunks that hold p, by level
    int level = u_root_level + 1;  // above the root: the root entry is still to be read
    int level_min = ray.level_min;
    uint slot = 0u;
    if (from_eye && t == 0.0 && u_start_level <= u_root_level) {
        for (int k = u_start_level; k <= u_root_level; k++) stack[k] = u_start_slots[k];
        level = u_start_level;
        slot = stack[level];
    }
    int steps = 0;
    int nothing = HIT_NONE;  // what it means if nothing is found
    bool found = false;
    bool fine_enough = false;
    bool inside = true;
    do {
        int size = u_root_level + CHUNK_BITS;  // log2 of the empty aligned cube around p
        ivec3 q = p ^ mirror;
        while (level > u_root_level) {
            uint entry = root_entry(q >> (CHUNK_BITS + u_root_level));
            if (entry == ENTRY_NONE) nothing = HIT_UNRESOLVED;
            if ((entry & ENTRY_RESIDENT) == 0u) break;
            level = u_root_level;
            slot = entry & ENTRY_SLOT_MASK;
            stack[level] = slot;
        }
        bool occupied = level <= u_root_level;
        while (occupied) {
            steps++;
            ivec3 local = q >> level & (CHUNK - 1);
            uvec2 mask = masks[slot * uint(BLOCKS_PER_CHUNK) + uint(block_of(local))];
            uint word = (local.z & 2) == 0 ? mask.x : mask.y;
            occupied = (word >> (bit_in_block(local) & 31) & 1u) != 0u;
            uint corner = uint((local.x & 2) | (local.y & 2) << 2);
            size = level + ((mask.x | mask.y) == 0u ? 2 : int((word >> corner & 0x00330033u) == 0u));
            fine_enough = level <= level_min || ray.cone * t >= float(1 << level);
            uint child = occupied && !fine_enough ? child_entry(slot, octant_of_voxel(local)) : ENTRY_NONE;
            if ((child & ENTRY_RESIDENT) == 0u) {
                found = occupied && child != ENTRY_EMPTY;
                if (child == ENTRY_EMPTY) size = level + CHUNK_BITS - 1;  // the whole octant
                break;
            }
            level--;
            slot = child & ENTRY_SLOT_MASK;
            stack[level] = slot;
        }
        if (found) break;

        ivec3 high = ((p >> size) + 1) << size;
        vec3 planes = (vec3(high - eye) - frac) * inverse;
        t = min(planes.x, min(planes.y, planes.z));
        bool bx = planes.x == t, by = !bx && planes.y == t;
        stepped = ivec3(bx, by, !bx && !by);
        ivec3 next = clamp(ivec3(floor(frac + speed * t)) + eye, p, high - 1);
        next = mix(next, high, equal(stepped, ivec3(1)));
        inside = all(lessThan(next, end));

        ivec3 changed = p ^ next;
        int crossed = log2_floor(float(changed.x | changed.y | changed.z));  // entered a new cell of this level
        if (TRAIL != 0 && crossed - (CHUNK_BITS - 1) > level && level <= u_root_level) {
            trail.passed = trail.turn == 0 ? slot : trail.passed;
            trail.turn = (trail.turn == 0 ? trail.period : trail.turn) - 1;
        }
        p = next;
        int up = max(level, max(crossed - (CHUNK_BITS - 1), min(crossed, log2_floor(ray.cone * t))));
        level = crossed - (CHUNK_BITS - 1) > u_root_level ? u_root_level + 1 : min(up, u_root_level);
        slot = stack[min(level, u_root_level)];
        if (steps > COARSEN_STEPS) level_min = max(level_min, steps / COARSEN_STEPS);
    } while (inside);
    if (!found) return no_hit(nothing, steps);

    trail.wanted = max(ray.level_min, log2_floor(ray.cone * t));
    int axis = stepped.y + 2 * stepped.z;
    int face = stepped == ivec3(0) ? FACE_INSIDE : 2 * axis - mirror[axis];
    int status = fine_enough ? HIT_VOXEL : HIT_COARSE;
    ivec3 v = (p ^ mirror) >> level;
    return Hit(v.x, v.y, v.z, t, slot,
               uint(status | level << HIT_LEVEL_SHIFT | face << HIT_FACE_SHIFT | steps << HIT_STEPS_SHIFT));
}
