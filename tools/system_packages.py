"""Which Debian packages this machine still lacks, asked of the machine itself and not of dpkg.

`tools/setup.sh` runs this file with the system's Python before anything is installed, so it imports the
standard library only and nothing of Voxtide. `doctor` takes its fixes from the same table.
"""

import ctypes
import glob
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable

# Package -> the libraries it brings, any one of which is enough.
LIBRARIES = {
    "libegl1": ("libEGL.so.1",),  # a GL context without a display
    "libegl-mesa0": ("libEGL_nvidia.so.0", "libEGL_mesa.so.0"),  # the driver's half of libEGL
    "libgl1": ("libGL.so.1",),  # moderngl looks its functions up here
    "libglx-mesa0": ("libGLX_nvidia.so.0", "libGLX_mesa.so.0"),  # a context in a window
    "libx11-6": ("libX11.so.6",),  # the panel's wheel links against it
    "libstdc++6": ("libstdc++.so.6",),
    "zlib1g": ("libz.so.1",),
}
# Mesa's software and hardware drivers are files that libEGL_mesa opens by path.
MESA_DRIVERS = ("dri/swrast_dri.so", "dri/libdril_dri.so", "libgallium-*.so", "dri/libgallium_dri.so")
# `view` is tested on a display without a screen, with real key and mouse events.
TEST_PROGRAMS = {"xvfb": "Xvfb", "xauth": "xauth", "xdotool": "xdotool"}


def loads(library: str) -> bool:
    """Whether the dynamic linker finds this library, wherever it lies."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def has_gl_driver(load: Callable[[str], bool] = loads) -> bool:
    """NVIDIA's driver is its EGL library; Mesa's are files beside it."""
    if load("libEGL_nvidia.so.0"):
        return True
    folders = [p for p in os.environ.get("LIBGL_DRIVERS_PATH", "").split(":") if p]
    for pattern in MESA_DRIVERS:
        if glob.glob(f"/usr/lib/*/{pattern}") or glob.glob(f"/usr/lib64/{pattern}"):
            return True
        if any(glob.glob(os.path.join(p, os.path.basename(pattern))) for p in folders):
            return True
    return False


def missing_packages(*, for_tests: bool, load: Callable[[str], bool] = loads) -> list[str]:
    """Names of the Debian packages that would bring what is missing, empty when nothing is.

    for_tests: also what only the test suite needs
    load: says whether a library can be loaded; tests replace it
    """
    packages = [package for package, names in LIBRARIES.items() if not any(load(n) for n in names)]
    if not has_gl_driver(load):
        packages.append("libgl1-mesa-dri")
    if for_tests:
        packages += [p for p, program in TEST_PROGRAMS.items() if shutil.which(program) is None]
    if importlib.util.find_spec("ensurepip") is None:
        # Debian splits venv's half off into a package named after the exact version.
        packages.append(f"python{sys.version_info.major}.{sys.version_info.minor}-venv")
    return packages


def apt_line(packages: list[str]) -> str:
    """What to type to install them."""
    sudo = "" if os.geteuid() == 0 else "sudo "
    return f"{sudo}apt-get update && {sudo}apt-get install -y --no-install-recommends {' '.join(packages)}"


if __name__ == "__main__":
    print(" ".join(missing_packages(for_tests="--for-tests" in sys.argv[1:])))
