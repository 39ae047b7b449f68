#!/bin/sh
# Copies a node's data folder while it runs: backup.sh DATA TARGET
# Needs the command sqlite3. Run it as the node's user or as root.
set -eu
umask 077
data=$1 target=$2
mkdir -p "$target"
bodies() { if [ -d "$data/blobs" ]; then cp -au "$data/blobs" "$target/"; fi; }
database() {
    rm -f "$target/$1.new"
    sqlite3 -readonly "$data/$1" "VACUUM INTO '$target/$1.new'"
    mv "$target/$1.new" "$target/$1"
}
# What migrations copied before the mail itself: after a restore they may copy something twice, but leave nothing out.
if [ -f "$data/migrations.db" ]; then database migrations.db; fi
# Large bodies before and after the database that names them, so that none is missing. Mail before the directory, so
# that no account number in it can ever be given to somebody else.
bodies
database mail.db
bodies
database directory.db
database traces.db
if [ -f "$data/outgoing.db" ]; then database outgoing.db; fi
cp -a "$data/tls" "$target/"
sync -f "$target"
