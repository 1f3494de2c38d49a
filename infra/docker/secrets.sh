#!/bin/sh
# Makes the passwords that compose.yaml mounts, at random, once: a folder, by default `secrets` beside this file.
# Whoever is not its owner cannot enter the folder. The files in it are readable to all, because each container
# reads its own as a user of its own, and is mounted nothing but that file.
set -eu
folder=${1:-$(dirname "$0")/secrets}
if [ -e "$folder" ]; then
    echo "$folder is there already; to begin anew, remove it together with the volumes that know its passwords" >&2
    exit 1
fi
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

umask 022
made=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$made"' EXIT
database=$(random)
redis=$(random)
printf '%s' "$database" >"$made/postgres_password"
printf 'postgresql+psycopg://sightline:%s@postgres:5432/sightline' "$database" >"$made/database_url"
printf 'requirepass %s\n' "$redis" >"$made/redis_auth.conf"
printf 'redis://:%s@redis:6379/0' "$redis" >"$made/redis_url"
random >"$made/zenml_password"
random >"$made/zenml_jwt_key"
random >"$made/grafana_password"
# Prometheus' API key, where the service asks for keys (docs/docker.md).
: >"$made/prometheus_key"
mv "$made" "$folder"
trap - EXIT
echo "made $folder"
