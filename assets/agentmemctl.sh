#!/bin/sh
# The command line with the Node that was installed with it, wherever a link leads here from.
here=$(dirname "$(readlink -f "$0")")
exec "$here/node" "$here/app/electron/cli/agentmemctl.cjs" "$@"
