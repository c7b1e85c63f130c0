#!/bin/sh
# Makes the stack's buckets, one user a role, and the inbox's notifications. Running it again changes nothing.
# Without containers SECRETS and POLICIES are folders of yours, STORE_URL is the store's address (deployments/README.md).
set -eu
secret() { cat "${SECRETS:-/run/secrets}/$1"; }
mc alias set store "${STORE_URL:-http://store:9000}" "$(secret STORE_ROOT_USER)" "$(secret STORE_ROOT_PASSWORD)" > /dev/null

for bucket in raw clean work; do mc mb --ignore-existing "store/$bucket"; done
mc version enable store/raw
mc version enable store/clean

for role in contributor worker publisher bridge metrics reader reviewer janitor; do
  name="STORE_$(echo "$role" | tr '[:lower:]' '[:upper:]')"
  mc admin policy create store "telltale-$role" "${POLICIES:-/policies}/$role.json"
  mc admin user add store "$role" "$(secret "$name")"
  case "$(mc admin user info store "$role")" in
    *"telltale-$role"*) ;; # is attached already
    *) mc admin policy attach store "telltale-$role" --user "$role" ;;
  esac
done

# The webhook itself stands in the store's settings (compose.yaml); right after its start the store may not know it yet.
for pause in 1 2 4 8 0; do
  mc event add --ignore-existing store/raw arn:minio:sqs::BRIDGE:webhook --event put --prefix inbox/ && exit
  sleep "$pause"
done
exit 1
