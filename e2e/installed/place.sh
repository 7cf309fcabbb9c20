# Sourced. The machine's own places for a test that is root in mount and pid
# namespaces of its own: /usr and /var/lib are overlays whose changes nobody
# else sees, and a system bus listens where every program looks for it.
#
#   make_place   overlays below $layers, an empty /run
#   start_bus    the bus, which starts what is installed; its log is /run/dbus.log
layers=/run/layers

make_place() {
  mount --make-rprivate /
  mount -t tmpfs -o mode=0755 tmpfs /run
  mkdir "$layers" "$layers/usr" "$layers/usr-work" "$layers/lib" "$layers/lib-work" /run/dbus
  mount -t overlay overlay -o "lowerdir=/usr,upperdir=$layers/usr,workdir=$layers/usr-work" /usr
  mount -t overlay overlay -o "lowerdir=/var/lib,upperdir=$layers/lib,workdir=$layers/lib-work" /var/lib
}

start_bus() {
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
}
