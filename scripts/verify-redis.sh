#!/bin/sh
# Proves that an instance equals its backup: verify-redis.sh --instance redis-prod
# All that is given is passed on to `redis-ops verify`.
set -eu
exec "${REDIS_OPS:-redis-ops}" verify "$@"
