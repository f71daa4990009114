"""What is missing on this machine, and what to type about it: `voxtide doctor`.

Nothing here may fail because of what it looks for: Voxtide's libraries and the driver are tried in child
processes (a broken one ends the process it runs in), everything else is read from the system.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import system_packages

# Distribution -> what to import; the same names as pyproject.toml's dependencies (a test compares them).
CORE = {
    "moderngl": "moderngl",
    "glfw": "glfw",
    "numpy": "numpy",
    "pyglm": "pyglm.glm",
    "imgui-bundle": "imgui_bundle",
    "platformdirs": "platformdirs",
    "zstandard": "zstandard",
    "lz4": "lz4.frame",
    "psutil": "psutil",
    "google-crc32c": "google_crc32c",
    "websockets": "websockets",
    "xxhash": "xxhash",
    "rich": "rich",
    "pillow": "PIL.Image",
    "matplotlib": "matplotlib.figure",
}
PROBE = (sys.executable, "-P", "-m", "voxtide.app.render.probe")
PROBE_S = 60  # a cold driver on a loaded machine takes seconds; a hung one takes for ever
MIN_GL = 45  # compute shaders, image atomics, glClearTexImage
MIN_STORAGE_BYTES = 1 << 27  # what GL 4.5 promises of one storage buffer
MIN_ARRAY_LAYERS = 8  # layers of the atlas, 64 MiB each
ENOUGH_RAM_BYTES = 4 << 30
ENOUGH_DISK_BYTES = 2 << 30
BY_CPU = (
    "draw by the CPU, type: export LIBGL_ALWAYS_SOFTWARE=1"
    " __EGL_VENDOR_LIBRARY_FILENAMES=/usr/share/glvnd/egl_vendor.d/50_mesa.json"
)
VENDOR_FOLDERS = ("/etc/glvnd/egl_vendor.d", "/usr/share/glvnd/egl_vendor.d")


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. `fix` is empty when ok, else what to type or do."""

    name: str
    ok: bool
    required: bool
    detail: str
    fix: str = ""


def doctor() -> list[Check]:
    """Look at everything Voxtide needs, in the order in which to mend it."""
    context = check_context()
    drawn = context[0].ok
    return [
        check_python(),
        *check_libraries(),
        check_egl(),
        check_egl_vendor(required=not drawn),
        *context,
        *check_nvidia(drawn_by=context[0].detail if drawn else ""),
        check_display(),
        check_ram(),
        check_disk(),
        *check_extras(),
    ]


def run(as_json: bool = False) -> int:
    """Print the findings. -> 0 when everything required is there, else 2."""
    checks = doctor()
    ok = all(c.ok for c in checks if c.required)
    if as_json:
        print(json.dumps({"ok": ok, "checks": [asdict(c) for c in checks]}))
        return 0 if ok else 2
    width = max(len(c.name) for c in checks)
    for c in checks:
        mark = "ok     " if c.ok else "MISSING" if c.required else "note   "
        print(f"{mark} {c.name:{width}}  {c.detail}" + (f"; {c.fix}" if c.fix else ""))
    n_missing = sum(c.required and not c.ok for c in checks)
    print("Voxtide can run here." if ok else f"Voxtide cannot run here yet: {n_missing} missing, see above.")
    return 0 if ok else 2


def run_child(command: tuple[str, ...], timeout_s: float = PROBE_S) -> tuple[dict[str, Any], str]:
    """Run a child that prints one JSON object. -> (object, "") or ({}, why not, in one line)."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        return {}, f"no answer within {timeout_s:g} s"
    except OSError as error:
        return {}, f"cannot start {command[0]}: {error.strerror}"
    if done.returncode < 0:
        return {}, f"the driver crashed ({signal.Signals(-done.returncode).name})"
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    if done.returncode:
        return {}, last
    try:
        found = json.loads(done.stdout)
    except ValueError:
        return {}, f"answered no JSON: {last}"
    return (found, "") if isinstance(found, dict) else ({}, "answered no JSON object")


def install_fix(*packages: str) -> str:
    """What to type for these Debian packages; elsewhere, what they are called there."""
    if shutil.which("apt-get"):
        return f"type: {system_packages.apt_line(list(packages))}"
    return f"install what Debian calls {', '.join(packages)}"


def check_python() -> Check:
    version = ".".join(str(n) for n in sys.version_info[:3])
    ok = sys.version_info >= (3, 11)
    return Check("Python", ok, True, version, "" if ok else "install Python 3.11 or newer")


def check_libraries() -> list[Check]:
    """Import every core dependency, all in one child."""
    code = (
        "import importlib, json, sys\n"
        "faults = {}\n"
        "for name in sys.argv[1:]:\n"
        "    try:\n"
        "        importlib.import_module(name)\n"
        "    except Exception as error:\n"
        "        faults[name] = str(error) or type(error).__name__\n"
        "print(json.dumps(faults))\n"
    )
    faults, why = run_child((sys.executable, "-P", "-c", code, *CORE.values()))
    if why:
        fix = f"type: {sys.executable} -m pip install --force-reinstall {' '.join(CORE)}"
        return [Check("libraries", False, True, f"importing them failed: {why}", fix)]
    bad = {name: faults[module] for name, module in CORE.items() if module in faults}
    if not bad:
        return [Check("libraries", True, True, f"all {len(CORE)} import")]
    return [Check(name, False, True, why, _library_fix(name, why)) for name, why in bad.items()]


def _library_fix(distribution: str, why: str) -> str:
    """A wheel that is there but lacks a system library is not mended by pip."""
    for package, names in system_packages.LIBRARIES.items():
        if any(name in why for name in names):
            return install_fix(package)
    return f"type: {sys.executable} -m pip install {distribution}"


def check_egl() -> Check:
    ok = system_packages.loads("libEGL.so.1")
    detail = "libEGL.so.1 loads" if ok else "libEGL.so.1 is not found: no GL without a display"
    return Check("libEGL", ok, True, detail, "" if ok else install_fix("libegl1"))


def vendor_files() -> list[Path]:
    """The files by which libglvnd finds a driver, as libglvnd looks for them."""
    if files := os.environ.get("__EGL_VENDOR_LIBRARY_FILENAMES"):
        return [Path(p) for p in files.split(":") if Path(p).is_file()]
    dirs = os.environ.get("__EGL_VENDOR_LIBRARY_DIRS")
    folders = dirs.split(":") if dirs else VENDOR_FOLDERS
    return [p for folder in folders if Path(folder).is_dir() for p in sorted(Path(folder).glob("*.json"))]


def check_egl_vendor(*, required: bool) -> Check:
    files = vendor_files()
    if files:
        return Check("EGL vendor", True, required, ", ".join(p.name for p in files))
    override = [name for name in os.environ if name.startswith("__EGL_VENDOR_LIBRARY_")]
    if override:
        name = override[0]
        return Check("EGL vendor", False, required, f"{name} names no driver", f"type: unset {name}")
    fix = install_fix("libegl-mesa0", "libgl1-mesa-dri")
    return Check("EGL vendor", False, required, f"no driver in {' or '.join(VENDOR_FOLDERS)}", fix)


def check_context(command: tuple[str, ...] = PROBE) -> list[Check]:
    """Make a GL context in a child and judge what it can do; the first check is the context itself."""
    found, why = run_child(command)
    if why:
        return [Check("GL context", False, True, why, _context_fix(why))]
    version, texels, need = found["version"], found["max_texture_texels"], found["atlas_texels"]
    storage_bytes, layers = found["max_storage_bytes"], found["max_array_layers"]
    fault = found["compute_fault"]
    by_cpu = " (drawn by the CPU: right, but slow)" if "llvmpipe" in found["renderer"] else ""
    rows = [
        ("GL context", True, f"{found['vendor']}, {found['renderer']}{by_cpu}"),
        ("GL version", version >= MIN_GL, f"{version // 10}.{version % 10} ({found['driver']}), needs 4.5"),
        ("GL compute", not fault, fault or "shaders and image atomics give the right answer"),
        ("GL storage", storage_bytes >= MIN_STORAGE_BYTES, f"{storage_bytes >> 20} MiB a buffer, needs 128"),
        ("GL layers", layers >= MIN_ARRAY_LAYERS, f"{layers} to an array, needs {MIN_ARRAY_LAYERS}"),
        ("GL texture", texels >= need, f"{texels} texels wide, needs {need}"),
    ]
    fix = f"install a newer driver, or {BY_CPU}"
    return [Check(name, ok, True, detail, "" if ok else fix) for name, ok, detail in rows]


def _context_fix(why: str) -> str:
    """The first cause that is to be seen from here."""
    if "No module named" in why:
        return "mend the libraries above first"
    if packages := system_packages.missing_packages(for_tests=False):
        return install_fix(*packages)
    if not vendor_files():
        return "mend the EGL vendor above first"
    return f"install your GPU's driver anew, or {BY_CPU}"


def check_nvidia(drawn_by: str) -> list[Check]:
    """A container may hold an NVIDIA GPU for computing and yet not for drawing.

    drawn_by: vendor and renderer of the context that was made, "" when none was
    """
    if not Path("/proc/driver/nvidia/version").exists() and not Path("/dev/nvidiactl").exists():
        return []
    if "NVIDIA" in drawn_by:
        return [Check("NVIDIA GPU", True, False, "draws")]
    able = os.environ.get("NVIDIA_DRIVER_CAPABILITIES", "unset")
    fix = "start the container with: --gpus all -e NVIDIA_DRIVER_CAPABILITIES=all"
    if any(word in able.split(",") for word in ("all", "graphics")):
        fix = "install the NVIDIA driver's GL libraries (Debian: libnvidia-egl-wayland1, libegl-nvidia0)"
    return [Check("NVIDIA GPU", False, False, f"is there, unused; NVIDIA_DRIVER_CAPABILITIES is {able}", fix)]


def check_display() -> Check:
    for name in ("WAYLAND_DISPLAY", "DISPLAY"):
        if value := os.environ.get(name):
            return Check("display", True, False, f"{name}={value}")
    if shutil.which("Xvfb"):
        return Check("display", True, False, "none, but Xvfb is there: xvfb-run voxtide view WORLD")
    fix = "only `voxtide view` needs one: use a desktop, or " + install_fix("xvfb", "xauth")
    return Check("display", False, False, "none", fix)


def check_ram() -> Check:
    total_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")  # a container's share of it; "max" when unlimited
    if limit.exists() and (text := limit.read_text().strip()).isdigit():
        total_bytes = min(total_bytes, int(text))
    ok = total_bytes >= ENOUGH_RAM_BYTES
    detail = f"{total_bytes / 2**30:.1f} GiB"
    return Check("RAM", ok, False, detail, "" if ok else "4 GiB is comfortable; small scenes still bake")


def check_disk(folder: Path | None = None) -> Check:
    free_bytes = shutil.disk_usage(folder or Path.cwd()).free
    ok = free_bytes >= ENOUGH_DISK_BYTES
    detail = f"{free_bytes / 2**30:.1f} GiB free in this folder"
    return Check("disk", ok, False, detail, "" if ok else "worlds are large: free 2 GiB or bake elsewhere")


def check_extras() -> list[Check]:
    """What single features need and nothing else misses."""
    return [
        _extra("zarr", "zarr", "zarr>=3.1", "zarr.open(world)"),
        _extra("PyAV", "av", "av>=18", "voxtide render --path ... -o OUT.mp4"),
    ]


def _extra(name: str, module: str, requirement: str, what: str) -> Check:
    code = f"import json, {module}; print(json.dumps({{'version': {module}.__version__}}))"
    found, _ = run_child((sys.executable, "-P", "-c", code))
    if found:
        return Check(name, True, False, f"{found['version']}: {what} works")
    fix = f"only {what} needs it: {sys.executable} -m pip install '{requirement}'"
    return Check(name, False, False, "not installed", fix)


if __name__ == "__main__":
    sys.exit(run(as_json="--json" in sys.argv[1:]))
