#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Flame graph of what programs hand in to agentmem.ko, by the bytes of its
# tracepoints. As root, while the module is loaded:
#
#   flame.sh record SECONDS [EVENT] >STACKS   allocate (default), compress, evict, restore
#   flame.sh fold <TRACE >STACKS              text of tracefs: "a;b;c BYTES" a line
#   flame.sh svg [TITLE] <STACKS >FILE.svg    also of stacks from other tools
#
# Recording has a trace instance of its own, so that it disturbs no other
# tracing, and takes it away again. Frames of programs are object+offset, as
# tracefs knows no symbols of theirs; those of the kernel have names.
set -eu
LC_ALL=C
export LC_ALL
TRACEFS=${TRACEFS:-/sys/kernel/tracing}

stop() { printf 'flame.sh: %s\n' "$*" >&2; exit 1; }

fold() {
	awk '
	# Innermost first as they come; outermost first as they are told. The first ones of the kernel are the tracing.
	function tell(task,   at, line) {
		if (!(task in bytes)) return
		line = name[task]
		for (at = users[task]; at >= 1; at--) line = line ";" user[task, at]
		for (at = kernels[task]; at >= 1; at--) line = line ";" kernel[task, at] "_[k]"
		sum[line] += bytes[task]
		delete bytes[task]
	}
	match($0, /-[0-9]+ +\[[0-9]+\]/) {
		task = substr($0, 1, RSTART + RLENGTH - 1)
		sub(/ +\[[0-9]+\]$/, "", task)
		sub(/^ +/, "", task)
		side = ""
		if ($0 ~ /: <user stack trace>/) side = "user"
		else if ($0 ~ /: <stack trace>/) side = "kernel"
		else if (match($0, /(bytes|plain)=[0-9]+/)) {
			tell(task)
			split(substr($0, RSTART, RLENGTH), pair, "=")
			bytes[task] = pair[2]
			name[task] = task
			sub(/-[0-9]+$/, "", name[task])
			gsub(/[ ;]/, "_", name[task])
			users[task] = kernels[task] = 0
		}
		next
	}
	/^ +=> / && side != "" && (task in bytes) {
		frame = $0
		sub(/^ +=> +/, "", frame)
		sub(/ +<[0-9a-f]+>$/, "", frame)
		if (frame ~ /^trace_event|^<[0-9a-f]+>$/) next
		sub(/^.*\//, "", frame)
		gsub(/[][]/, "", frame)
		gsub(/[ ;]/, "_", frame)
		if (side == "user") user[task, ++users[task]] = frame
		else kernel[task, ++kernels[task]] = frame
	}
	END {
		for (task in bytes) tell(task)
		for (line in sum) printf "%s %.0f\n", line, sum[line]
	}' | sort
}

record() {
	seconds=$1
	event=agentmem_$2
	case "$seconds" in '' | *[!0-9]* | ?????*) stop "SECONDS: expected 1 to 9999, got $seconds" ;; esac
	[ "$(id -u)" -eq 0 ] || stop 'recording needs root'
	[ -d "$TRACEFS/events/agentmem" ] || stop "$TRACEFS has no events of agentmem: load the module, and mount tracefs"
	[ -d "$TRACEFS/events/agentmem/$event" ] || stop "EVENT: expected allocate, compress, evict or restore, got $2"
	# A user's stack can be told in the tracing of all alone, on kernels where instances have no such option.
	here=$TRACEFS/instances/agentmem-flame-$$
	mkdir "$here"
	trap 'echo 0 >"$here/events/agentmem/enable" 2>/dev/null; rmdir "$here"' EXIT
	trap 'exit 1' HUP INT TERM
	echo 16384 >"$here/buffer_size_kb"
	for option in stacktrace userstacktrace sym-userobj; do
		[ ! -e "$here/options/$option" ] || echo 1 >"$here/options/$option"
	done
	echo 1 >"$here/events/agentmem/$event/enable"
	echo 1 >"$here/tracing_on"
	sleep "$seconds"
	echo 0 >"$here/tracing_on"
	lost=$(cat "$here"/per_cpu/cpu*/stats | awk '/^overrun:/ { sum += $2 } END { print sum + 0 }')
	[ "$lost" -eq 0 ] || printf 'flame.sh: %s entries were lost: record for a shorter time\n' "$lost" >&2
	fold <"$here/trace"
}

svg() {
	# Neighbours with the same beginning stand under one box: sorted, each line is compared with the one before.
	sort | awk -v title="$1" '
	function safe(text) {
		gsub(/&/, "\\&amp;", text)
		gsub(/</, "\\&lt;", text)
		gsub(/>/, "\\&gt;", text)
		gsub(/"/, "\\&quot;", text)
		return text
	}
	function size(bytes) {
		return bytes >= 1073741824 ? sprintf("%.1f GB", bytes / 1073741824) : bytes >= 1048576 ? sprintf("%.1f MB", bytes / 1048576) : sprintf("%.0f kB", bytes / 1024)
	}
	function shade(text,   at, sum) {
		for (at = 1; at <= length(text); at++) sum = (sum * 31 + index(letters, substr(text, at, 1))) % 997
		return text ~ /_\[k\]$/ ? sprintf("hsl(%d,45%%,62%%)", 205 + sum % 30) : sprintf("hsl(%d,70%%,62%%)", 15 + sum % 40)
	}
	function close_from(depth,   at) {
		for (at = open_count; at >= depth; at--) {
			boxes++
			box_depth[boxes] = at
			box_from[boxes] = from[at]
			box_to[boxes] = total
			box_name[boxes] = frame[at]
		}
		if (open_count >= depth) open_count = depth - 1
	}
	BEGIN { letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+.-" }
	{
		bytes = $NF
		if (bytes !~ /^[0-9]+$/ || bytes == 0) next
		line = $0
		sub(/ [0-9]+$/, "", line)
		parts = split("all;" line, part, ";")
		for (depth = 1; depth <= open_count && depth <= parts && frame[depth] == part[depth]; depth++) ;
		close_from(depth)
		for (; depth <= parts; depth++) {
			frame[depth] = part[depth]
			from[depth] = total
			open_count = depth
			if (depth > deepest) deepest = depth
		}
		total += bytes
	}
	END {
		close_from(1)
		width = 1200
		row = 17
		height = (deepest + 3) * row
		printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"monospace\" font-size=\"11\">\n", width, height
		printf "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/><text x=\"4\" y=\"14\" font-size=\"13\">%s: %s</text>\n", width, height, safe(title), size(total)
		for (at = 1; at <= boxes && total > 0; at++) {
			x = box_from[at] / total * width
			wide = (box_to[at] - box_from[at]) / total * width
			if (wide < 0.3) continue
			y = height - (box_depth[at] + 1) * row
			room = int((wide - 6) / 6.7)
			words = box_name[at]
			printf "<g><title>%s: %s, %.1f %%</title><rect x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\" fill=\"%s\" stroke=\"#fff\" stroke-width=\"0.5\"/>", safe(words), size(box_to[at] - box_from[at]), (box_to[at] - box_from[at]) / total * 100, x, y, wide, row - 1, shade(words)
			if (room >= 3) printf "<text x=\"%.2f\" y=\"%d\">%s</text>", x + 3, y + 12, safe(length(words) > room ? substr(words, 1, room - 2) ".." : words)
			print "</g>"
		}
		print "</svg>"
	}'
}

case "${1:-}" in
record) record "${2:-}" "${3:-allocate}" ;;
fold) fold ;;
svg) svg "${2:-Handed in to agentmem}" ;;
*) sed -n '3,13s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
