#!/bin/sh
# Builds everything, tests included, and runs them. What the build needs is installed by setup.sh.
set -eu
cd "$(dirname "$0")"
[ -f build/build.ninja ] || meson setup build
ninja -C build
exec meson test -C build --print-errorlogs "$@"
