#!/usr/bin/env bash
# Run by the demo as the task "Back up the database". A variable of the task arrives as NAME=VALUE argument, a secret of the
# variable group in the environment; the secret is printed on purpose, to show that it does not get into the log.
set -euo pipefail

database=unknown
for argument in "$@"; do
  case "$argument" in
    database=*) database=${argument#database=} ;;
  esac
done

echo "backing up $database, signed in with password $DATABASE_PASSWORD"
for table in customers orders invoices; do
  sleep 0.4
  echo "  $table: $((RANDOM % 900 + 100)) rows"
done
echo "done, from commit $(git log -1 --format='%h "%s"')"
