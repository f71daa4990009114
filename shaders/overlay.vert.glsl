#version 450
// One tile of the window that the panel covers: a square of TILE pixels for each instance.

layout(location = 0) in vec2 in_tile;  // which, counted from the lower left
uniform vec2 u_window;                 // pixels

void main() {
    vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
    gl_Position = vec4((in_tile + corner) * float(TILE) / u_window * 2.0 - 1.0, 0.0, 1.0);
}
