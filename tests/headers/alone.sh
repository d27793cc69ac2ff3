#!/bin/sh
# usage: alone.sh HEADER CC...
# The public header must compile by itself as strict C99 and as C++, with no warning.
set -eu
header=$1
shift
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
flags='-Wall -Wextra -Werror -pedantic -fsyntax-only'
for name in alone.c alone.cc; do
    printf '#include "%s"\n#include "%s"\nint main(void) { return BERTH_OK; }\n' "$header" "$header" > "$folder/$name"
done
"$@" $flags -std=c99 -x c "$folder/alone.c"
"$@" $flags -std=c11 -x c "$folder/alone.c"
for standard in c++11 c++17; do
    if printf 'int main() { return 0; }\n' | "$@" -x c++ -std=$standard -fsyntax-only - 2> /dev/null; then
        "$@" $flags -std=$standard -x c++ "$folder/alone.cc"
    else
        echo "no C++ compiler in $*: left out $standard"
    fi
done
