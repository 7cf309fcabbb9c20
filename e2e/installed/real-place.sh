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
. "$project/e2e/installed/place.sh"
make_place
"$project/build/helper/install.sh" install "$project/build/helper"

start_bus

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
# What that user types, found by the shell, with the Node that was installed.
mkdir -m 0777 /run/home
setpriv --reuid 1 --regid 1 --clear-groups env -i PATH=/usr/bin:/bin HOME=/run/home sh -c 'agentmemctl completion bash' |
  cmp - /usr/share/bash-completion/completions/agentmemctl && echo 'command same'
# What it starts to find agents is what was installed, too.
setpriv --reuid 1 --regid 1 --clear-groups env -i PATH=/usr/bin:/bin HOME=/run/home agentmemctl agents --json |
  grep -q '"agents":' && echo 'command agents'
rm -r /run/home

/usr/lib/agentmem/install.sh uninstall
printf 'helper after %s\n' "$(pgrep -f '^/usr/lib/agentmem/node' | wc -l)"
rm "$config"
find "$layers/usr" "$layers/lib" ! -type d | sed 's/^/left /'
for folder in /usr/lib/agentmem /var/lib/agentmem; do [ ! -e "$folder" ] || echo "left $folder"; done
