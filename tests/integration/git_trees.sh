#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Hostile trees: what git itself would not write, links, submodules, LFS pointers, missing and empty
# folders. Each is refused, naming the path; what lies outside the plan's paths is never looked at.
# timeout: 600
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/integration/git_support.bash"

git_http_start
repo_new shop
url=$SLUICE_TEST_GIT_HTTP_URL/shop.git
put shop sql/V1__a.sql 'select 1;'
commit shop good 2>/dev/null
file=$(echo 'select 1;' | blob shop)
good=$(entry 100644 V1__a.sql "$file" | raw_tree shop)
number=0

# hostile NAME REGEX TREE: `sql` is that tree; it is refused, and so is the same tree further down.
hostile() {
    local root below
    number=$((number + 1))
    root=$(entry 40000 sql "$3" | raw_tree shop)
    forge shop "h$number" "$root"
    said "$1" "tree-error 0 InvalidMigration: .*$2" fetch "$url" --http --branch "h$number" --path sql
    below=$(entry 40000 deep "$3" | raw_tree shop)
    root=$(entry 40000 sql "$below" | raw_tree shop)
    forge shop "h$number" "$root"
    said "$1, further down" "tree-error 0 InvalidMigration: .*$2" fetch "$url" --http --branch "h$number" --path sql
    root=$({ entry 40000 other "$3"; entry 40000 sql "$good"; } | raw_tree shop)
    forge shop "h$number" "$root"
    said "$1, beside the path: not our business" "file 0 sql/V1__a.sql" fetch "$url" --http --branch "h$number" --path sql
}

one() { entry "$@" | raw_tree shop; }
two() { { entry "${@:1:3}"; entry "${@:4:3}"; } | raw_tree shop; }
link=$(printf '../../../etc/passwd' | blob shop)
empty=$(raw_tree shop </dev/null)
pointer=$(printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 12\n' 0 | blob shop)

hostile "a symbolic link" 'link.sql: symbolic link' "$(one 120000 link.sql "$link")"
hostile "a submodule" 'lib: submodules' "$(one 160000 lib "$(head_of shop)")"
hostile "a name '..'" '/\.\.: ' "$(one 40000 .. "$good")"
hostile "a name '.'" '/\.: ' "$(one 40000 . "$good")"
hostile "a name .git" '\.git: ' "$(one 40000 .git "$good")"
hostile "a name .GIT" '\.GIT: ' "$(one 100644 .GIT "$file")"
hostile "a name with a slash" "a/../../b: a name with '/'" "$(one 100644 a/../../b "$file")"
hostile "a line end in a name" 'control character' "$(one 100644 'V1__a\nb.sql' "$file")"
hostile "an escape sequence in a name" 'control character' "$(one 100644 'V1__\x1b[2J.sql' "$file")"
hostile "a name that is not UTF-8" 'not valid UTF-8' "$(one 100644 'V1__\xff.sql' "$file")"
hostile "the same name twice" "there twice" "$(two 100644 V1__a.sql "$file" 100644 V1__a.sql "$file")"
hostile "a file and a folder of one name" "there twice" "$(two 100644 a "$file" 40000 a "$good")"
hostile "names that differ in case" "V1__A.sql.* and .*V1__a.sql.* differ only" "$(two 100644 V1__A.sql "$file" 100644 V1__a.sql "$file")"
hostile "folders that differ in case" "differ only in upper and lower case" \
    "$(two 40000 Part "$good" 40000 part "$(one 100644 V2__b.sql "$file")")"
hostile "entries in a wrong order" "not in git's order" "$(two 100644 V2__b.sql "$file" 100644 V1__a.sql "$file")"
hostile "a device" 'not a regular file' "$(one 060000 disk.sql "$file")"
hostile "a Git LFS pointer" 'V1__a.sql: a Git LFS pointer' "$(one 100644 V1__a.sql "$pointer")"
hostile "an empty folder" 'sql: no file in this folder' "$empty"

forge shop modes "$(one 40000 sql "$(two 100755 V1__a.sql "$file" 100664 V2__b.sql "$file")")"
said "executable and old group-writable modes are files" "file 0 sql/V1__a.sql.*file 0 sql/V2__b.sql" \
    fetch "$url" --http --branch modes --path sql

forge shop disguised "$(one 40000 sql "$(one 100644 V1__a.sql "$good")")"
said "a folder that is listed as a file" 'InvalidMigration: sql/V1__a.sql: listed as a file' \
    fetch "$url" --http --branch disguised --path sql

# ---- the way to the path ----
forge shop linked "$(one 120000 sql "$link")"
said "the path is a link" "'sql' at commit [0-9a-f]{12} is a symbolic link" fetch "$url" --http --branch linked --path sql
forge shop module "$(one 160000 sql "$(head_of shop)")"
said "the path is a submodule" "'sql' at commit [0-9a-f]{12} is a submodule" fetch "$url" --http --branch module --path sql/x
forge shop plain "$(one 100644 sql "$file")"
said "the path is a file" "'sql' at commit [0-9a-f]{12} is a file" fetch "$url" --http --branch plain --path sql
forge shop twins "$(two 40000 SQL "$good" 40000 sql "$good")"
said "the path has a twin in other case" "sql: 'SQL' stands beside it" fetch "$url" --http --branch twins --path sql
forge shop doubled "$(two 40000 sql "$good" 40000 sql "$(one 100644 V2__b.sql "$file")")"
said "the path is there twice" "sql: 'sql' stands beside it" fetch "$url" --http --branch doubled --path sql
said "another case of the path is another path" "folder 'Sql' does not exist" fetch "$url" --http --path Sql
said "a missing folder names the path and the commit" \
    "InvalidMigration: folder 'sql/orders' does not exist at commit $(head_of shop | cut -c1-12)" \
    fetch "$url" --http --path sql/orders
for path in /sql ../sql sql/../../x; do
    said "the path $path" "InvalidMigration: path '$path' (is absolute|must not contain)" fetch "$url" --http --path "$path"
done
for path in sql/ ./sql sql//. .//sql/./; do
    said "the path $path is sql" "tree 0 sql [0-9a-f]+.file 0 sql/V1__a.sql V1__a.sql 10" fetch "$url" --http --path "$path"
done
said "the root of the repository" "tree 0 . .*file 0 sql/V1__a.sql sql/V1__a.sql 10" fetch "$url" --http --path .

# ---- what is left out, and what counts once ----
put shop sql/.hidden/V8__h.sql 'select 8;'
put shop sql/part/V2__b.sql 'select 2;'
put shop sql/notes.bin "$(head -c 100000 /dev/zero | tr '\0' x)"
commit shop more 2>/dev/null
answer=$("$probe" fetch "$url" --http --path sql --path sql/part --path sql)
is "hidden folders are not entered, paths inside others count once" \
    "$(sed -n 's/^file 0 \([^ ]*\) .*/\1/p' <<<"$answer" | tr '\n' ' ')" 'sql/V1__a.sql sql/notes.bin sql/part/V2__b.sql '
is "each path has its folder's id" "$(grep -c '^tree 0' <<<"$answer")" 3
like "of other files the name alone is taken" "$answer" 'sql/notes.bin notes.bin 0 '

# ---- limits ----
tree=$good
for n in $(seq 34); do tree=$(one 40000 "d$n" "$tree"); done
forge shop deep "$(one 40000 sql "$tree")"
said "folders without end" "tree-error 0 SourceTooLarge: .*more than 32 folders deep" fetch "$url" --http --branch deep --path sql
head -c 67108865 /dev/zero | tr '\0' ' ' >"$SERVERS_DIR/big"
big=$(blob shop <"$SERVERS_DIR/big")
forge shop big "$(one 40000 sql "$(one 100644 V1__a.sql "$big")")"
said "a file beyond the limit" "tree-error 0 SourceTooLarge: sql/V1__a.sql: 67108865 bytes; the limit is 67108864" \
    fetch "$url" --http --branch big --path sql
many=$(for n in $(seq 10001); do printf '%05d\n' "$n"; done | while read -r n; do entry 100644 "V$n" "$file"; done | raw_tree shop)
forge shop many "$(one 40000 sql "$many")"
said "more files than the limit" "tree-error 0 SourceTooLarge: .*more than 10000 files" fetch "$url" --http --branch many --path sql
# 20 levels of ten folders each: ten objects, and more entries than anybody can read.
tree=$good
for n in $(seq 20); do
    tree=$(for i in 0 1 2 3 4 5 6 7 8 9; do entry 40000 "f$i" "$tree"; done | raw_tree shop)
done
forge shop bomb "$(one 40000 sql "$tree")"
said "a tree that unfolds without end" "tree-error 0 SourceTooLarge: .*(more than 10000 files|more than 200000 entries)" \
    fetch "$url" --http --branch bomb --path sql
done_testing
