#!/bin/sh
# Runs the command with secrets in its environment: NAME__FILE=/run/secrets/x becomes NAME, as in Grafana's image.
# Two underscores: SIGHTLINE_KEYS_FILE is a setting of its own. `exec`, so that the command itself gets SIGTERM.
set -eu
for name in $(env | sed -n 's/^\([A-Z][A-Z0-9_]*\)__FILE=.*/\1/p'); do
    eval "file=\$${name}__FILE"
    if [ ! -r "$file" ]; then
        echo "sightline: ${name}__FILE=$file cannot be read: sh infra/docker/secrets.sh makes the files, and compose.yaml mounts them" >&2
        exit 78
    fi
    export "$name=$(cat "$file")"
    unset "${name}__FILE"
done
exec "$@"
