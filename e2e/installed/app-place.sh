#!/bin/sh
# A place where the app can install the helper as a user's does: overlays over
# what installing writes, the machine's own bus with polkit, and polkit's local
# rules from RULES. BUNDLE stands in place of the checkout's own, which may be
# built anew meanwhile. Holds until its input closes; all that runs in it ends then.
#
#   unshare --mount --pid --fork --kill-child --mount-proc app-place.sh PROJECT RULES BUNDLE
set -eu
. "$1/e2e/installed/place.sh"
make_place
# As where there is no systemd and few manual pages: folders that installing has to make.
rm -rf /usr/lib/systemd /usr/share/man/man8
mount --bind "$2" /etc/polkit-1/rules.d
mount --bind "$3" "$1/build/helper"
start_bus
# Its folders are watched from here on, as on a machine that has been on for a while.
dbus-send --system --print-reply=literal --dest=org.freedesktop.PolicyKit1 \
  /org/freedesktop/PolicyKit1/Authority org.freedesktop.DBus.Peer.Ping >/dev/null
echo ready
# Collects no ended orphans meanwhile, as the first process of many containers.
read -r _ || true
