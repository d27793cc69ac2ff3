#!/usr/bin/env bash
# run.sh [BUILD [ACCEPTANCE]]: the tests that need a real GPU, by CUDA; on a machine that has one, from any folder.
#
# BUILD is a build folder that is ready (default: build, made by setup.sh and ninja where it is not there). ACCEPTANCE is a
# folder with run_cases.py and cases/, which need numpy; without it no cases are run. What it does, with the seconds that
# each stage took: the unit tests of devices, several at once, and convolutions again without cuDNN; alone, for their
# witness is what the driver says is free, 200 loads, runs, moves and ends, and 8 processes at an eighth each of one
# device; the cases on /GPU:0; the ops that must run there themselves, in strict mode. A skipped test failed here. The last
# line is `N passed, N failed`.
#
# From the environment: STAGES ("unit alone cases strict"), UNITS (names of unit tests), LIMIT (seconds a unit test may take,
# 120), CASES_LIMIT (seconds after which no case starts, 900), STRICT_LIMIT (300), JOBS (processes at once: all cores), LOGS (a
# folder that keeps what the tests print).
set -uo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-$top/build} acceptance=${2:-}
stages=${STAGES:-unit alone cases strict} limit=${LIMIT:-120} jobs=${JOBS:-$(nproc)}
passed=0 failed=0
export BERTH_OPENCL=off # /GPU:0 is CUDA's, or nothing

if [ -n "${LOGS:-}" ]; then logs=$LOGS && mkdir -p "$logs"; else logs=$(mktemp -d) && trap 'rm -rf "$logs"' EXIT; fi
title() { started=$SECONDS; printf '\n==== %s\n' "$1"; }
took() { printf '     %d s\n' $((SECONDS - started)); }
end() { echo "$passed passed, $failed failed"; exit $((failed > 0)); }

# unit NAME: one test, bounded; a line, and the first that it printed when it failed.
unit() {
    local start=$EPOCHREALTIME log=$logs/$1.log status
    timeout "$limit" "$build/$1" >"$log" 2>&1
    status=$?
    [ $status = 0 ] && grep -q '^skipped\|^there is no' "$log" && status=skipped
    [ $status = 0 ] && status=ok
    printf '%-8s %-18s %5d ms\n' $status "$1" $(((${EPOCHREALTIME/./} - ${start/./}) / 1000))
    [ $status = ok ] || head -25 "$log" | cut -c1-220 | sed 's/^/         /'
}
export -f unit
export build limit logs

# units JOBS NAME...: that many at once, each counted.
units() {
    local at_once=$1
    shift
    printf '%s\n' "$@" | xargs -P "$at_once" -I{} bash -c 'unit {}' | tee "$logs/units"
    local good
    good=$(grep -c '^ok ' "$logs/units")
    passed=$((passed + good)) failed=$((failed + $# - good))
    took
}

# counted COMMAND...: a script whose last line is its own count.
counted() {
    "$@" 2>&1 | tee "$logs/counted"
    if [[ $(tail -1 "$logs/counted") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
    else
        failed=$((failed + 1))
        echo "FAILED: $1 $2 gave no count"
    fi
    took
}

title machine
nvidia-smi --query-gpu=name,driver_version,memory.total,memory.used --format=csv,noheader 2>/dev/null
if [ ! -x "$build/berth" ]; then
    (cd "$top" && ./setup.sh && ninja -C build) >"$logs/build" 2>&1 || { tail -30 "$logs/build"; failed=1; end; }
fi
"$build/berth" devices | tee "$logs/devices"
took
grep -q '^/GPU:0' "$logs/devices" || { echo "there is no GPU that CUDA's driver finds"; failed=1; end; }

for stage in $stages; do
    case $stage in
    unit)
        title "unit tests"
        all=$(cd "$build" && ls -- *_gpu fault profile parallel placement check cudnn device shares 2>/dev/null)
        units "$((jobs < 8 ? jobs : 8))" ${UNITS:-$all}
        [ -n "${UNITS:-}" ] || BERTH_CUDNN=off units 1 window_gpu # convolutions as products
        ;;
    alone)
        title "memory comes back, and 8 processes on one device"
        units 1 memory processes
        ;;
    cases)
        [ -n "$acceptance" ] || continue
        title "acceptance cases on /GPU:0"
        counted python3 "$top/tests/cuda/cases.py" "$acceptance/run_cases.py" --berth "$build/berth" \
            --jobs "$jobs" --seconds "${CASES_LIMIT:-900}"
        ;;
    strict)
        [ -n "$acceptance" ] || continue
        title "ops that must run on the device itself"
        counted timeout "${STRICT_LIMIT:-300}" python3 "$top/tests/device_ops.py" "$acceptance/run_cases.py" --berth "$build/berth"
        ;;
    esac
done
echo
end
