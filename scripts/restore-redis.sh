#!/bin/sh
# Puts a backup into an instance: restore-redis.sh --backup-id 2024-01-01-01-00 --target-instance redis-prod
# All that is given is passed on to `redis-ops restore`.
set -eu
exec "${REDIS_OPS:-redis-ops}" restore "$@"
