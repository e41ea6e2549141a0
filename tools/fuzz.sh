#!/usr/bin/env bash
# Fuzzes every Fuzz target of the module, within one budget for all of them.
#
#   FUZZTIME_TOTAL  seconds in all, 300 unless given; building comes on top
#   FUZZ_FIRST      which target is first; the day of the year unless given, so that where
#                   time is short it is not always the same targets that get it
#   FUZZ_TARGETS    a regular expression over "folder binary Target"; all unless given
#
# Inputs that reach something new are made smaller in a few tries only: the minute that Go takes by default would leave none of a short share.
# A crash ends the run with status 1. Go leaves the input in testdata/fuzz: commit it with the fix.
set -euo pipefail
cd "$(dirname "$0")/.."

total=${FUZZTIME_TOTAL:-300}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go list -f '{{.ImportPath}} {{.Dir}}' ./... | while read -r pkg dir; do
	if grep -qsE '^func Fuzz' "$dir"/*_test.go; then
		echo "building $pkg" >&2
		bin=$work/$(tr / _ <<<"$pkg")
		go test -c -fuzz=. -o "$bin" "$pkg"
		(cd "$dir" && "$bin" -test.list='^Fuzz') | sed "s|^|$pkg $dir $bin |"
	fi
done >"$work/all" # a package that does not build ends the script here
mapfile -t targets < <(grep -E -- "${FUZZ_TARGETS:-.}" "$work/all")
if [ ${#targets[@]} -eq 0 ]; then
	echo "no fuzz targets found" >&2
	exit 1
fi

# fuzz runs one target. Before Go 1.27 the end of the time now and then counts as a failure on a busy machine (go.dev/issue/75804):
# "context deadline exceeded" alone, and no input written. That is no finding, and does not read as one either: who looks for failures in a log looks for FAIL.
# Anything else is one.
fuzz() { # package, folder, binary, target, seconds
	local rc=0 ends='^(--- )?FAIL|^    context deadline exceeded$'
	(cd "$2" && "$3" -test.run='^$' -test.fuzz="^$4\$" -test.fuzztime="${5}s" -test.fuzzminimizetime=10x -test.fuzzcachedir="$cache/$1") 2>&1 |
		tee "$work/said" | { grep --line-buffered -vE "$ends" || true; } || rc=$?
	if [ $rc -ne 0 ] && grep -qx '    context deadline exceeded' "$work/said" && ! grep -qE 'Failing input|panic|_test\.go:[0-9]+' "$work/said"; then
		echo "the time ended while an input ran"
		return 0
	fi
	grep -E "$ends" "$work/said" || true
	return $rc
}

first=$((${FUZZ_FIRST:-$(date +%-j)} % ${#targets[@]}))
order=("${targets[@]:first}" "${targets[@]:0:first}")
echo "fuzzing ${#order[@]} targets, $total s in all, first ${order[0]##* }"
cache=$(go env GOCACHE)/fuzz
began=$SECONDS
for i in "${!order[@]}"; do
	read -r pkg dir bin target <<<"${order[i]}"
	share=$(((total - (SECONDS - began)) / (${#order[@]} - i)))
	share=$((share < 1 ? 1 : share))
	echo "--- $pkg $target ${share}s"
	if ! fuzz "$pkg" "$dir" "$bin" "$target" "$share"; then
		echo "fuzzing failed: $pkg $target; an input below $dir/testdata/fuzz belongs into the commit with the fix" >&2
		exit 1
	fi
done
echo "fuzzed ${#order[@]} targets in $((SECONDS - began)) s: nothing found"
