#!/bin/sh
# Installs the helper where it really goes, on an overlay over /usr and
# /var/lib that only this process tree sees, starts a system bus as the machine
# would, calls the helper as user 1 so that the bus starts it and polkit, and
# uninstalls it while it runs. Prints lines for install.test.ts to judge.
#
#   unshare --mount --pid --fork --kill-child --mount-proc real-place.sh PROJECT NODE CALLER
set -eu
project=$1
node=$2
caller=$3
mount --make-rprivate /
mount -t tmpfs -o mode=0755 tmpfs /run
layers=/run/layers
mkdir "$layers" "$layers/usr" "$layers/usr-work" "$layers/lib" "$layers/lib-work" /run/dbus
mount -t overlay overlay -o "lowerdir=/usr,upperdir=$layers/usr,workdir=$layers/usr-work" /usr
mount -t overlay overlay -o "lowerdir=/var/lib,upperdir=$layers/lib,workdir=$layers/lib-work" /var/lib

"$project/build/helper/install.sh" install "$project/build/helper"

# The machine's own configuration, but for becoming another user and the
# set-user-ID starter that goes with it. Its includes are relative: it stays in its folder.
config=/usr/share/dbus-1/agentmem-test.conf
sed 's|<servicehelper>.*</servicehelper>||; s|<user>.*</user>||; s|<fork/>||; s|<pidfile>.*</pidfile>||' /usr/share/dbus-1/system.conf >"$config"
dbus-daemon --config-file="$config" --nofork 2>/run/dbus.log &
tries=0
while [ ! -S /run/dbus/system_bus_socket ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 100 ] || { cat /run/dbus.log >&2; exit 1; }
  sleep 0.05
done

mkfifo /run/answers
chmod 0666 /run/answers
{
  echo '{"id":1,"what":"call","method":"Status","text":"{}","mayAsk":false}'
  # The caller ends with its input: not before the answer has come.
  read -r _ </run/answers
} | setpriv --reuid 1 --regid 1 --clear-groups "$node" "$caller" unix:path=/run/dbus/system_bus_socket |
  while read -r line; do
    case $line in *'"id":1'*) printf 'answer %s\n' "$line"; echo done >/run/answers ;; esac
  done
printf 'helper %s\n' "$(pgrep -f '^/usr/lib/agentmem/node /usr/lib/agentmem/system.js$' | wc -l)"

/usr/lib/agentmem/install.sh uninstall
printf 'helper after %s\n' "$(pgrep -f '^/usr/lib/agentmem/node' | wc -l)"
rm "$config"
find "$layers/usr" "$layers/lib" ! -type d | sed 's/^/left /'
for folder in /usr/lib/agentmem /var/lib/agentmem; do [ ! -e "$folder" ] || echo "left $folder"; done
