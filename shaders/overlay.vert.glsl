#version 450
// One box of the window that the panel lies over.

layout(location = 0) in vec4 in_box;  // x0, y0, x1, y1: pixels from the upper left
uniform vec2 u_window;                // pixels

void main() {
    vec2 at = mix(in_box.xy, in_box.zw, vec2(gl_VertexID & 1, gl_VertexID >> 1)) / u_window;
    gl_Position = vec4(at.x * 2.0 - 1.0, 1.0 - at.y * 2.0, 0.0, 1.0);
}
