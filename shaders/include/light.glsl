// light.glsl: one sun, a sky that also gives the ambient light, distance haze. All in linear light.

vec3 to_linear(vec3 c) {  // sRGB, IEC 61966-2-1
    return mix(c / 12.92, pow((c + 0.055) / 1.055, vec3(2.4)), greaterThan(c, vec3(0.04045)));
}

vec3 to_srgb(vec3 c) {
    c = clamp(c, 0.0, 1.0);
    return mix(c * 12.92, 1.055 * pow(c, vec3(1.0 / 2.4)) - 0.055, greaterThan(c, vec3(0.0031308)));
}

const vec3 SKY_ZENITH = vec3(0.16, 0.33, 0.66);
const vec3 SKY_HORIZON = vec3(0.62, 0.74, 0.86);
const vec3 GROUND = vec3(0.40, 0.41, 0.42);
const vec3 SUN = vec3(1.0, 0.93, 0.80);

vec3 sky(vec3 direction, vec3 sun) {
    float up = direction.z;
    vec3 above = mix(SKY_HORIZON, SKY_ZENITH, pow(clamp(up, 0.0, 1.0), 0.55));
    vec3 colour = mix(above, GROUND, smoothstep(0.0, 0.25, -up));
    float toward = clamp(dot(direction, sun), 0.0, 1.0);
    return colour + SUN * (0.10 * pow(toward, 24.0) + 0.9 * smoothstep(0.9994, 0.9998, toward));
}

// Colours of a scan carry the light of the day it was taken, so ambient is strong and the sun gentle.
vec3 lit(vec3 albedo, vec3 normal, vec3 sun, float open, float sunny) {
    vec3 ambient = mix(vec3(0.50, 0.48, 0.46), vec3(0.74, 0.79, 0.87), 0.5 + 0.5 * normal.z);
    float direct = max(dot(normal, sun), 0.0) * sunny;
    return albedo * (ambient * open + SUN * 0.62 * direct);
}
