#!/usr/bin/env bash
# Push an image and write NAME@sha256:DIGEST, as the registry knows it, into a file.
# ENGINE is docker or podman (left out: the first that is there), PUSH_OPTIONS go to its push.
set -euo pipefail
image=${1:?IMAGE=REGISTRY/NAME:TAG is missing}
told=${2:?a file is missing}
engine=${ENGINE:-$(basename "$(command -v docker || command -v podman || true)")}
mkdir -p "$(dirname "$told")"
case $engine in
podman)
    # What podman holds is not compressed, so that its own digest is another one.
    podman push --quiet ${PUSH_OPTIONS:-} --digestfile "$told.digest" "$image"
    digest=$(cat "$told.digest")
    rm "$told.digest"
    ;;
docker)
    docker push --quiet ${PUSH_OPTIONS:-} "$image"
    digest=$(docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$image" |
        grep -F "${image%:*}@" | head -n 1 | sed 's/.*@//')
    ;;
*)
    echo "push: neither docker nor podman is here" >&2
    exit 1
    ;;
esac
echo "${image%:*}@$digest" | tee "$told"
