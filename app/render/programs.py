"""Compiling compute shaders, with errors in terms of our files."""

from collections.abc import Mapping

import moderngl

from ...shaders import ShaderError, compose


def compile_compute(
    ctx: moderngl.Context, name: str, defines: Mapping[str, int] | None = None
) -> moderngl.ComputeShader:
    """Compose and compile one .comp file. Raises ShaderError with file and line."""
    source = compose(name, defines)
    try:
        return ctx.compute_shader(source.text)
    except moderngl.Error as error:
        raise ShaderError(f"{name}:\n{source.explain(str(error))}") from None


def set_uniforms(program: moderngl.ComputeShader, **values: object) -> None:
    """Set `u_NAME` for each keyword that the linked program still has: drivers drop unused ones."""
    for name, value in values.items():
        uniform = program.get(f"u_{name}", None)
        if isinstance(uniform, moderngl.Uniform):
            uniform.value = value
