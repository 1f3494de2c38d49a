#!/bin/sh
# The project's environment: .venv from requirements.lock with hashes, byte-compiled, telemetry off.
# Called by make; $1 is the Python to use. Every step may be repeated.
set -eu
python=$1

if ! "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then
    echo "Sightline needs Python 3.11 or 3.12; \"$python\" is $("$python" --version 2>&1)." >&2
    echo "Install one, or name it: make PYTHON=/path/to/python3.11 train" >&2
    exit 1
fi
# Written for the interpreter: where bytecode may not be written, every command starts 2 s later.
unset PYTHONDONTWRITEBYTECODE || true

if [ ! -x .venv/bin/python ]; then
    echo "making .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv
fi
uv=$(sed -n 's/^uv==\([^ ;]*\).*/\1/p' requirements.lock)
if [ "$(.venv/bin/uv --version 2>/dev/null | cut -d' ' -f2)" != "$uv" ]; then
    echo "installing uv $uv"
    # Only the lines of uv out of the lock: pip then checks its hash too.
    sed -n '/^uv==/,/^[^ ]/p' requirements.lock | sed '$d' > .venv/uv.lock
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock
fi
echo "installing requirements.lock (a few GB the first time)"
VIRTUAL_ENV=.venv .venv/bin/uv pip sync --quiet --require-hashes requirements.lock
VIRTUAL_ENV=.venv .venv/bin/uv pip install --quiet --no-deps --no-build-isolation --editable .
.venv/bin/python infra/environment.py
echo "byte-compiling (half a minute, once)"
.venv/bin/python -m compileall -q -j 0 .venv/lib >/dev/null 2>&1 || true  # some packages ship templates
.venv/bin/zenml init >/dev/null 2>&1 || true
