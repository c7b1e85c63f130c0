#!/bin/sh
# Makes the stack's buckets, one user a role, and the inbox's notifications. Running it again changes nothing.
set -eu
secret() { cat "/run/secrets/$1"; }
mc alias set store http://store:9000 "$(secret STORE_ROOT_USER)" "$(secret STORE_ROOT_PASSWORD)" > /dev/null

for bucket in raw clean work; do mc mb --ignore-existing "store/$bucket"; done
mc version enable store/raw
mc version enable store/clean

for role in contributor worker publisher bridge reader; do
  name="STORE_$(echo "$role" | tr '[:lower:]' '[:upper:]')"
  mc admin policy create store "telltale-$role" "/policies/$role.json"
  mc admin user add store "$role" "$(secret "$name")"
  mc admin policy attach store "telltale-$role" --user "$role" || true  # is attached already
done

mc admin config set store notify_webhook:bridge endpoint=http://bridge:8090/ \
  auth_token="Bearer $(secret TELLTALE_WEBHOOK_TOKEN)" queue_dir=/data/.notify queue_limit=100000
mc admin service restart store
until mc ready store; do sleep 1; done
mc event add --ignore-existing store/raw arn:minio:sqs::bridge:webhook --event put --prefix inbox/
