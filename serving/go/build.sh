#!/bin/sh
# Builds serving/go/.lib/sightline-go, or runs another command of go (test, vet) over all packages: against the
# TensorFlow C library and headers that the tensorflow wheel of PYTHON carries, so that the versions agree.
#   sh serving/go/build.sh [COMMAND [ARGUMENTS]]
set -eu
cd "$(dirname "$0")"
PYTHON=${PYTHON:-../../.venv/bin/python}
GO=$(command -v go) || { echo "sightline: no go on the PATH: install Go 1.26 or newer, see docs/go.md" >&2; exit 2; }

# find_spec does not import it, which would take four seconds.
WHEEL=$("$PYTHON" -c '
import importlib.util
found = importlib.util.find_spec("tensorflow")
print(found.submodule_search_locations[0] if found else "")')
[ -f "$WHEEL/libtensorflow_cc.so.2" ] || {
    echo "sightline: the tensorflow of $PYTHON carries no libtensorflow_cc.so.2: run \`make setup\`, or set PYTHON" >&2
    exit 2
}
mkdir -p .lib
for library in libtensorflow_cc.so.2 libtensorflow_framework.so.2; do
    ln -sfn "$WHEEL/$library" ".lib/$library"
done
# The names that the linker is given; cc holds the C interface.
ln -sfn libtensorflow_cc.so.2 .lib/libtensorflow.so
ln -sfn libtensorflow_framework.so.2 .lib/libtensorflow_framework.so

export CGO_CFLAGS="-O2 -I$WHEEL/include"
# $ORIGIN: the program finds the libraries beside itself, wherever both are copied to.
export CGO_LDFLAGS="-L$PWD/.lib -ltensorflow -ltensorflow_framework -Wl,-rpath,\$ORIGIN:$PWD/.lib"
[ $# -eq 0 ] || exec "$GO" "$@" ./...
exec "$GO" build -trimpath -o .lib/sightline-go .
