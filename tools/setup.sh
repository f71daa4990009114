#!/usr/bin/env bash
# Makes this checkout runnable on a bare machine: system libraries, .venv, Voxtide itself.
# Usage: tools/setup.sh [--dry-run] demo|dev
#   demo  what running Voxtide needs        dev  the same, and what its tests and checks need
#   --dry-run  print what would be done, do nothing
# VOXTIDE_PYTHON names the Python to use. Does nothing (in well under a second) when all is in place.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

die() {
    echo "setup: $*" >&2
    exit 2
}

dry_run=false
if [ "${1:-}" = --dry-run ]; then
    dry_run=true
    shift
fi
want=${1:-}
case "$want" in
    demo) extras='' for_tests='' ;;
    dev) extras='[dev]' for_tests=--for-tests ;;
    *) die "usage: tools/setup.sh [--dry-run] demo|dev" ;;
esac

# --- a Python that is new enough ------------------------------------------------------------------
python=''
for candidate in ${VOXTIDE_PYTHON:+"$VOXTIDE_PYTHON"} python3.13 python3.12 python3.11 python3; do
    # A pyenv shim may exist and yet not run: so run it.
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    found=$(python3 -V 2>/dev/null || echo 'no python3')
    die "Voxtide needs Python 3.11 or newer, found $found; install one, or name it: VOXTIDE_PYTHON=/path/to/python3.12 make $want"
fi

# --- system libraries -----------------------------------------------------------------------------
read -r -a packages <<<"$("$python" tools/system_packages.py $for_tests)"
if [ ${#packages[@]} -gt 0 ]; then
    sudo=()
    may_install=false
    if command -v apt-get >/dev/null; then
        if [ "$(id -u)" -eq 0 ]; then
            may_install=true
        elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
            may_install=true
            sudo=(sudo -n)
        fi
    fi
    if $dry_run; then
        echo "setup: would install with apt-get: ${packages[*]}"
    elif $may_install; then
        echo "setup: installing with apt-get: ${packages[*]}"
        # One broken third-party list must not stop an installation that does not need it.
        "${sudo[@]}" apt-get update -qq || echo "setup: apt-get update had errors; going on" >&2
        "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
    elif command -v apt-get >/dev/null; then
        die "system packages are missing; type: sudo apt-get update && sudo apt-get install -y --no-install-recommends ${packages[*]}"
    else
        die "system libraries are missing, by the names of their Debian packages: ${packages[*]}; install your system's (Fedora: sudo dnf install mesa-libEGL mesa-libGL mesa-dri-drivers libX11)"
    fi
fi

# --- .venv and Voxtide in it ----------------------------------------------------------------------
# The stamp says what was installed, from which pyproject.toml, and where: a virtual environment that
# was moved, or whose Python is gone, is made anew.
place=$PWD
key="$place $(cksum <pyproject.toml) $(.venv/bin/python -V 2>/dev/null || true)"
stamp=.venv/voxtide-installed
if [ -f "$stamp" ]; then
    while read -r line; do
        if [ "$line" = "$want $key" ] || [ "$line" = "dev $key" ]; then
            exit 0
        fi
    done <"$stamp"
fi
if $dry_run; then
    echo "setup: would make .venv with $("$python" -V) and install Voxtide into it: pip install -e .$extras"
    exit 0
fi
if ! .venv/bin/python -c 'import pip' 2>/dev/null || [ "$(cat .venv/voxtide-place 2>/dev/null)" != "$place" ]; then
    echo "setup: making .venv with $("$python" -V)"
    "$python" -m venv --clear .venv
    echo "$place" >.venv/voxtide-place
fi
echo "setup: installing Voxtide and what it needs into .venv (once; about a minute)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check -e ".$extras"
echo "$want $place $(cksum <pyproject.toml) $(.venv/bin/python -V)" >>"$stamp"
