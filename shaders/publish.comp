#version 450
// publish.comp: writes page entries, after the slots that they name have been filled.
layout(local_size_x = 64) in;

layout(std430, binding = 0) writeonly buffer Pages { uint pages[]; };
layout(std430, binding = 8) readonly buffer Writes { uvec2 writes[]; };  // address, entry

uniform int u_n_writes;

void main() {
    uint i = gl_GlobalInvocationID.x;
    if (i < uint(u_n_writes)) pages[writes[i].x] = writes[i].y;
}
