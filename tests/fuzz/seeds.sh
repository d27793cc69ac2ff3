#!/usr/bin/env bash
# seeds.sh TARGET FOLDER [CASES]: puts what a fuzz target begins with into FOLDER: its own seeds, in tests/fuzz/TARGET, and of
# the files of its format, in the repository and below CASES (acceptance cases), those of at most 64 KiB.
set -euo pipefail
target=$1 folder=$2
places=(tests/data examples)
[ ! -d "${3:-}" ] || places+=("$(realpath "$3")")
cd "$(dirname "$0")/../.."
case $target in
graphdef) names='*.pb' ;;
pbtxt) names='*.pbtxt' ;;
keras_h5) names='*.h5' ;;
zip) names='*.keras *.zip' ;;
archive) names='*.keras *.zip *.tar *.tgz *.tar.gz' ;;
sstable) names='*.index checkpoint_v1' ;;
json) names='*.json' ;;
*) names= ;;
esac
mkdir -p "$folder"
[ ! -d "tests/fuzz/$target" ] || cp -r "tests/fuzz/$target/." "$folder"
n=0
set -f
for name in $names; do
    while IFS= read -r -d '' file; do cp "$file" "$folder/seed_$((n += 1))"; done < \
        <(find "${places[@]}" -name "$name" -size -65k -print0)
done
