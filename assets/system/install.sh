#!/bin/sh
# Installs or uninstalls the Agent Memory Center helper. The one script that
# runs as root:
#
#   install.sh install BUNDLE [SHA256 of BUNDLE/MANIFEST]
#   install.sh uninstall
#
# Nothing is run from BUNDLE. Its files are copied to a folder only root can
# enter, the copy is checked against MANIFEST (and MANIFEST against the digest
# given), and only then put in place. With DESTDIR set, everything goes below
# it and no service is told; KERNEL_ROOT says where the kernel's files are that
# uninstalling gives back, when that is not below DESTDIR too.
set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C
umask 022

DESTDIR=${DESTDIR:-}
LIB=$DESTDIR/usr/lib/agentmem
STATE=$DESTDIR/var/lib/agentmem
KERNEL_ROOT=${KERNEL_ROOT:-$DESTDIR/}
CREATED=$LIB/CREATED

say() { printf 'agentmem: %s\n' "$*"; }
stop() { printf 'agentmem: %s\n' "$*" >&2; exit 1; }

# What is put outside of $LIB: file in the bundle, place.
places() {
  cat <<'END'
system/org.agentmem.policy usr/share/polkit-1/actions/org.agentmem.policy
system/org.agentmem.Helper1.conf usr/share/dbus-1/system.d/org.agentmem.Helper1.conf
system/org.agentmem.Helper1.service usr/share/dbus-1/system-services/org.agentmem.Helper1.service
system/org.agentmem.Session1.service usr/share/dbus-1/services/org.agentmem.Session1.service
system/agentmem-helper.service usr/lib/systemd/system/agentmem-helper.service
system/agentmem-guard.service usr/lib/systemd/system/agentmem-guard.service
system/agentmem-recover.service usr/lib/systemd/system/agentmem-recover.service
system/agentmem-pressure.service usr/lib/systemd/system/agentmem-pressure.service
system/agentmem-module@.service usr/lib/systemd/system/agentmem-module@.service
system/agentmem-module-unload.service usr/lib/systemd/system/agentmem-module-unload.service
system/agentmem-backing@.service usr/lib/systemd/system/agentmem-backing@.service
system/agentmem-session.service usr/lib/systemd/user/agentmem-session.service
system/agentmem-broker.service usr/lib/systemd/user/agentmem-broker.service
system/agentmem-broker.socket usr/lib/systemd/user/agentmem-broker.socket
man/agentmemctl.1 usr/share/man/man1/agentmemctl.1
completions/agentmemctl usr/share/bash-completion/completions/agentmemctl
completions/_agentmemctl usr/share/zsh/vendor-completions/_agentmemctl
completions/agentmemctl.fish usr/share/fish/vendor_completions.d/agentmemctl.fish
man/agentmem-broker.1 usr/share/man/man1/agentmem-broker.1
man/agentmem-run.1 usr/share/man/man1/agentmem-run.1
man/agentmem-hook.1 usr/share/man/man1/agentmem-hook.1
man/agentmem-reclaim.8 usr/share/man/man8/agentmem-reclaim.8
man/agentmem-guard.8 usr/share/man/man8/agentmem-guard.8
man/agentmem-pressure.8 usr/share/man/man8/agentmem-pressure.8
man/agentmem-backing.8 usr/share/man/man8/agentmem-backing.8
END
}
WANTS=usr/lib/systemd/system/multi-user.target.wants
# From a user's next login on; until then the first program that needs a broker starts it.
USER_WANTS=usr/lib/systemd/user/sockets.target.wants
# The command line, for everybody; each runs it as himself. Ours is the link that leads into $LIB.
COMMANDS=usr/bin
OUR_COMMAND=../lib/agentmem/agentmemctl
is_our_command() { [ "$(readlink "$DESTDIR/$COMMANDS/agentmemctl" 2>/dev/null || true)" = "$OUR_COMMAND" ]; }

# Makes a folder and those above it, and writes down which ones were not there.
make_folder() {
  if [ ! -d "$1" ]; then
    make_folder "$(dirname "$1")"
    mkdir -m 0755 "$1"
    made="$made$1
"
  fi
}

has_systemd() { [ -z "$DESTDIR" ] && [ -d /run/systemd/system ] && command -v systemctl >/dev/null 2>&1; }

# Both watch their folders by themselves; this makes it sure and at once.
tell_services() {
  [ -z "$DESTDIR" ] || return 0
  if has_systemd; then
    systemctl daemon-reload || true
    for user in $(user_managers); do as_user "$user" systemctl --user daemon-reload </dev/null; done
  fi
  if command -v dbus-send >/dev/null 2>&1; then
    dbus-send --system --type=method_call --dest=org.freedesktop.DBus / org.freedesktop.DBus.ReloadConfig 2>/dev/null || true
  fi
}

# Ends a helper that is running. It undoes nothing by that; its journal stays.
end_helper() {
  [ -z "$DESTDIR" ] || return 0
  if has_systemd; then systemctl stop agentmem-helper.service 2>/dev/null || true; fi
  command -v dbus-send >/dev/null 2>&1 || return 0
  pid=$(dbus-send --system --print-reply=literal --dest=org.freedesktop.DBus / \
    org.freedesktop.DBus.GetConnectionUnixProcessID string:org.agentmem.Helper1 2>/dev/null | tr -dc '0-9 ' | awk '{ print $NF }') || pid=
  [ -n "$pid" ] || return 0
  kill -TERM "$pid" 2>/dev/null || true
  tries=0
  # One that has ended but that nobody collects, as in many containers, is no helper any more.
  while [ -d "/proc/$pid" ] && ! grep -q '^State:[[:space:]]*Z' "/proc/$pid/status" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -le 100 ] || stop "The helper (process $pid) does not end. End its run in the window first."
    sleep 0.1
  done
}

# Ends every guard of this installation, each user's too: told to end, it first
# thaws what it holds. What the journals still say is frozen is thawed then.
end_guards() {
  [ -z "$DESTDIR" ] || return 0
  [ -x "$LIB/agentmem-guard" ] || return 0
  for link in /proc/[0-9]*/exe; do
    case "$(readlink "$link" 2>/dev/null || true)" in
      "$LIB/agentmem-guard" | "$LIB/agentmem-guard (deleted)") ;;
      *) continue ;;
    esac
    pid=${link#/proc/}
    pid=${pid%/exe}
    kill -TERM "$pid" 2>/dev/null || true
    tries=0
    # A program that has ended has no file any more, collected or not.
    while [ -n "$(readlink "/proc/$pid/exe" 2>/dev/null || true)" ]; do
      tries=$((tries + 1))
      [ "$tries" -le 100 ] || stop "The guard (process $pid) does not end. Wake the suspended agents in the window first."
      sleep 0.1
    done
  done
  [ ! -d "$STATE/journal" ] || "$LIB/agentmem-guard" --role system --recover-held --journal "$STATE/journal" --words /run/agentmem/guard-words.jsonl || true
}

# Users with a systemd of their own that runs.
user_managers() {
  has_systemd || return 0
  for folder in /run/user/[0-9]*; do
    [ -S "$folder/systemd/private" ] && id -nu "${folder#/run/user/}" 2>/dev/null || true
  done
}

# A command as this user: root itself reads and changes nothing in a user's folders.
as_user() {
  name=$1
  shift
  runuser -u "$name" -- env XDG_RUNTIME_DIR="/run/user/$(id -u "$name")" "$@" 2>/dev/null || true
}

# Ends the brokers' sockets, and brokers that nobody is connected to. One that
# has agents stays for them, as their memory is in it, and ends with the last.
end_brokers() {
  for user in $(user_managers); do as_user "$user" systemctl --user stop agentmem-broker.socket </dev/null; done
  for link in /proc/[0-9]*/exe; do
    case "$(readlink "$link" 2>/dev/null || true)" in
      "$LIB/agentmem-broker" | "$LIB/agentmem-broker (deleted)") ;;
      *) continue ;;
    esac
    folder=${link%/exe}
    # It always has the one it listens on; the first three may be the journal's.
    if [ "$(find "$folder/fd" -lname 'socket:*' ! -name '[012]' 2>/dev/null | wc -l)" -gt 1 ]; then
      say "The broker of $(stat -c %U "$folder" 2>/dev/null || echo 'a user') (process ${folder#/proc/}) stays until the programs that have memory in it have ended."
    else
      kill -TERM "${folder#/proc/}" 2>/dev/null || true
    fi
  done
}

# Ends the session roles. Each wakes what it suspended and takes its limits back.
end_sessions() {
  for user in $(user_managers); do as_user "$user" systemctl --user stop agentmem-session.service </dev/null; done
}

# Groups of agents that hold nobody any more, and what systemd wrote down of
# their limits. With an agent still in it a group stays: stopping it ends the agent.
remove_groups() {
  has_systemd || return 0
  for folder in /sys/fs/cgroup/user.slice/user-*.slice/user-*-agents.slice; do
    grep -qx 'populated 0' "$folder/cgroup.events" 2>/dev/null || continue
    systemctl stop "${folder##*/}" 2>/dev/null || true
  done
  for folder in /run/systemd/system.control/user-*-agents.slice.d; do
    for property in MemoryLow MemoryHigh MemoryMax MemorySwapMax MemoryZSwapMax; do rm -f "$folder/50-$property.conf"; done
    rmdir "$folder" 2>/dev/null || true
  done
  # Protection was handed down through groups that are not ours: only what says "none" again goes.
  for folder in /run/systemd/system.control/user.slice.d /run/systemd/system.control/user-*.slice.d; do
    file=$folder/50-MemoryLow.conf
    [ "$(grep -v '^#' "$file" 2>/dev/null | tr -d '\n')" = '[Slice]MemoryLow=0' ] || continue
    rm -f "$file"
    rmdir "$folder" 2>/dev/null || true
  done
  rmdir /run/systemd/system.control 2>/dev/null || true
  # shellcheck disable=SC2016 # The user's shell is to expand these.
  for user in $(user_managers); do
    as_user "$user" sh -c '
      group=/sys/fs/cgroup$(systemctl --user show -P ControlGroup)/app.slice/app-agents.slice
      if grep -qx "populated 0" "$group/cgroup.events"; then systemctl --user stop app-agents.slice; fi
      control=$XDG_RUNTIME_DIR/systemd/user.control
      for property in MemoryLow MemoryHigh MemoryMax MemorySwapMax MemoryZSwapMax; do rm -f "$control/app-agents.slice.d/50-$property.conf"; done
      rmdir "$control/app-agents.slice.d" "$control"' </dev/null
  done
}

# The version of the sources in a folder, as dkms.conf says it; digits and dots alone.
module_version() { sed -n 's/^PACKAGE_VERSION="\([0-9][0-9.]*\)"$/\1/p' "$1/dkms.conf" 2>/dev/null; }

# Sources of ours that are there, by version: the line with our name is in each.
module_folders() {
  for folder in "$DESTDIR"/usr/src/agentmem-[0-9]*; do
    [ -f "$folder/dkms.conf" ] && grep -qx 'PACKAGE_NAME="agentmem"' "$folder/dkms.conf" && printf '%s\n' "$folder"
  done
  return 0
}

has_dkms() { [ -z "$DESTDIR" ] && command -v dkms >/dev/null 2>&1; }

# Takes the module out of DKMS, with what it built, and the sources away. One
# that is loaded stays in the kernel until it is unloaded or the next start.
remove_module() {
  module_folders | while read -r folder; do
    # Nothing of what was built belongs to anybody but DKMS.
    if has_dkms; then dkms remove "agentmem/$(module_version "$folder")" --all </dev/null >/dev/null 2>&1 || true; fi
    rm -rf "$folder"
  done
}

# Puts the sources in place and has DKMS build them, where there is one: for
# this kernel now, for each later one when it is installed. Without the module
# everything else works, so nothing here fails the installing.
install_module() {
  version=$(module_version "$LIB/kmod")
  [ -n "$version" ] || { say 'The sources of the kernel module name no version: it is left out.'; return 0; }
  remove_module
  make_folder "$DESTDIR/usr/src"
  cp -R -P "$LIB/kmod" "$DESTDIR/usr/src/agentmem-$version"
  [ -z "$DESTDIR" ] || return 0
  if ! has_dkms; then
    say 'The kernel module was not built: DKMS is not installed (apt install dkms, then install again).'
    return 0
  fi
  dkms add "agentmem/$version" >/dev/null 2>&1 || { say 'DKMS does not take the sources of the kernel module.'; return 0; }
  release=$(uname -r)
  if [ ! -e "/lib/modules/$release/build/Makefile" ]; then
    say "The kernel module was not built: the headers of $release are missing (apt install linux-headers-$release)."
  elif dkms install "agentmem/$version" -k "$release" </dev/null >/dev/null 2>&1; then
    say "The kernel module is built for $release; it is loaded when you turn it on."
  else
    say "The kernel module could not be built for $release: see /var/lib/dkms/agentmem/$version/build/make.log."
  fi
}

check_copy() {
  copy=$1
  [ -z "$(find "$copy" ! -type f ! -type d -print)" ] || stop 'The bundle holds links or special files: refused.'
  [ -f "$copy/MANIFEST" ] || stop 'The bundle has no MANIFEST: build it again.'
  if [ -n "$2" ]; then
    printf '%s  MANIFEST\n' "$2" | (cd "$copy" && sha256sum --check --strict --status -) || stop 'The bundle is not the one that was shown: refused.'
  fi
  # Plain relative names only: digest, two spaces, name.
  if grep -Evq '^[0-9a-f]{64}  [A-Za-z0-9_][A-Za-z0-9._@-]*(/[A-Za-z0-9_][A-Za-z0-9._@-]*)*$' "$copy/MANIFEST"; then stop 'MANIFEST has lines of another form: refused.'; fi
  (cd "$copy" && find . -type f ! -path ./MANIFEST | sed 's|^\./||' | sort) >"$copy.files"
  cut -c 67- "$copy/MANIFEST" | sort >"$copy.listed"
  cmp -s "$copy.files" "$copy.listed" || stop 'The bundle holds other files than MANIFEST lists: refused.'
  (cd "$copy" && sha256sum --check --strict --quiet MANIFEST >&2) || stop 'A file of the bundle does not have the digest of MANIFEST: refused.'
  for needed in node system.js session.js agentmemctl app/electron/cli/agentmemctl.cjs app/build/cli/agentmemctl.js kmod/dkms.conf agentmem-guard agentmem-reclaim agentmem-pressure agentmem-backing agentmem-run agentmem-hook agentmem-broker agentmem-trim.so agentmem-share.so libagentmem.so.1 include/agentmem.h agentmem.js agentmem.node install.sh; do
    [ -f "$copy/$needed" ] || stop "The bundle lacks $needed: build it again."
  done
  places | while read -r file _place; do [ -f "$copy/$file" ] || stop "The bundle lacks $file: build it again."; done
}

# Installing stopped before anything was in place: nothing stays behind.
leave_nothing() {
  [ -z "$stage" ] || rm -rf "$stage" "$stage.files" "$stage.listed"
  printf '%s' "$made" | sort -r | while read -r folder; do rmdir "$folder" 2>/dev/null || true; done
}

install_bundle() {
  bundle=$1
  [ -d "$bundle" ] || stop "There is no bundle at $bundle."
  made=
  stage=
  trap 'leave_nothing' EXIT
  trap 'exit 1' HUP INT TERM
  make_folder "$DESTDIR/usr/lib"
  stage=$(mktemp -d "$LIB.XXXXXXXX") # 0700: nobody else looks in or changes it
  cp -R -P "$bundle/." "$stage/"
  check_copy "$stage" "$2"
  rm -f "$stage.files" "$stage.listed"
  chown -R 0:0 "$stage"
  find "$stage" -type d -exec chmod 0755 {} +
  find "$stage" -type f -exec chmod 0644 {} +
  chmod 0755 "$stage/node" "$stage/agentmem-guard" "$stage/agentmem-reclaim" "$stage/agentmem-pressure" "$stage/agentmem-backing" "$stage/agentmem-run" "$stage/agentmem-hook" "$stage/agentmem-broker" "$stage/agentmemctl" "$stage/install.sh"

  end_helper
  end_guards
  # Folders that an earlier version made stay on the list.
  [ ! -f "$CREATED" ] || cp "$CREATED" "$stage/CREATED"
  rm -rf "$LIB.old"
  [ ! -d "$LIB" ] || mv "$LIB" "$LIB.old"
  mv "$stage" "$LIB"
  trap - EXIT
  rm -rf "$LIB.old"

  install_module
  for folder in $(places | sed 's|^[^ ]* ||; s|/[^/]*$||') "$WANTS" "$USER_WANTS" "$COMMANDS"; do make_folder "$DESTDIR/$folder"; done
  printf '%s' "$made" >>"$CREATED"
  places | while read -r file place; do
    # Aside and renamed: no service ever reads half a file.
    cp "$LIB/$file" "$DESTDIR/$place.agentmem-new"
    chmod 0644 "$DESTDIR/$place.agentmem-new"
    mv -f "$DESTDIR/$place.agentmem-new" "$DESTDIR/$place"
  done
  ln -sf ../agentmem-recover.service "$DESTDIR/$WANTS/agentmem-recover.service"
  ln -sf ../agentmem-broker.socket "$DESTDIR/$USER_WANTS/agentmem-broker.socket"
  if is_our_command; then :
  elif [ -e "$DESTDIR/$COMMANDS/agentmemctl" ] || [ -L "$DESTDIR/$COMMANDS/agentmemctl" ]; then
    say "/$COMMANDS/agentmemctl is there already and no link of ours: it stays. The command line is $LIB/agentmemctl."
  else
    ln -s "$OUR_COMMAND" "$DESTDIR/$COMMANDS/agentmemctl"
  fi
  tell_services
  say "installed in $LIB"
}

uninstall() {
  [ -d "$LIB" ] || { say 'not installed'; return 0; }
  end_sessions
  end_brokers
  end_helper
  # Nobody may stay frozen behind us.
  end_guards
  # Every setting goes back first: without the helper nobody could do it.
  if [ -d "$STATE" ]; then
    "$LIB/node" "$LIB/system.js" --rollback-all --root "$KERNEL_ROOT" --state-dir "$STATE" ||
      stop 'Not every run could be undone, see above. Nothing was removed.'
    rm -rf "$STATE"
  fi
  # Who still has units in the module keeps them: then it stays until the next start.
  [ -n "$DESTDIR" ] || [ ! -d /sys/module/agentmem ] || modprobe --remove agentmem 2>/dev/null ||
    say 'The kernel module is in use: it stays loaded until the next start.'
  remove_module
  if has_systemd; then systemctl stop agentmem-pressure.service 'agentmem-backing@*.service' 2>/dev/null || true; fi
  remove_groups
  places | while read -r _file place; do rm -f "$DESTDIR/$place"; done
  rm -f "$DESTDIR/$WANTS/agentmem-recover.service" "$DESTDIR/$USER_WANTS/agentmem-broker.socket"
  if is_our_command; then rm -f "$DESTDIR/$COMMANDS/agentmemctl"; fi
  [ -n "$DESTDIR" ] || rm -rf /run/agentmem
  created=$(sort -r "$CREATED" 2>/dev/null || true)
  rm -rf "$LIB"
  # Only folders that installing made, and only empty ones; the deepest first.
  printf '%s\n' "$created" | while read -r folder; do
    [ -z "$folder" ] || rmdir "$folder" 2>/dev/null || true
  done
  tell_services
  say 'uninstalled'
  say "What users have stays theirs: settings in ~/.config/agentmem, units on disk and history in ~/.local/state/agentmem."
}

[ "$(id -u)" -eq 0 ] || stop 'This needs root.'
case "${1:-} $#" in
  'install 2') install_bundle "$2" '' ;;
  'install 3') install_bundle "$2" "$3" ;;
  'uninstall 1') uninstall ;;
  *) stop 'usage: install.sh install BUNDLE [SHA256] | install.sh uninstall' ;;
esac
