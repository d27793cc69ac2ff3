#!/bin/sh
# Installs what the build needs (Debian and Ubuntu; elsewhere it says what is missing), builds berth, and lets it
# recognise the digits of examples/digits.
set -eu
cd "$(dirname "$0")"

missing() {
    for tool in cc meson ninja pkg-config python3; do
        command -v "$tool" >/dev/null 2>&1 || return 0
    done
    ! pkg-config --exists libpng libjpeg zlib re2 icu-uc libwebpdemux
}

if missing; then
    packages="gcc g++ libc6-dev meson ninja-build pkg-config python3 zlib1g-dev libpng-dev libjpeg-dev libre2-dev libicu-dev libwebp-dev"
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "Please install a C and a C++ compiler, meson, ninja, pkg-config, python3, and zlib, libpng, libjpeg, libwebp, re2 and ICU to build with." >&2
        exit 1
    fi
    sudo=
    [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update -qq
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages
fi

[ -f build/build.ninja ] || meson setup build
ninja -C build berth examples/quickstart # and with it the shared library

digits=examples/digits
set -x
build/berth inspect $digits/digits
build/berth run $digits/digits --labels $digits/labels.txt --top 1 \
    --input image=$digits/pictures/3.png,$digits/pictures/1.png,$digits/pictures/4.png
