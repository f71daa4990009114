#version 450
// The panel's picture, pixel for pixel; its colours are multiplied by their alpha already.

uniform sampler2D u_panel;
layout(location = 0) out vec4 out_colour;

void main() {
    out_colour = texelFetch(u_panel, ivec2(gl_FragCoord.xy), 0);
}
