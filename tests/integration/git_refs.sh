#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Branches, tags, commits and full refs; deleted, moved and rewritten ones; pinned revisions.
# timeout: 240
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/integration/git_support.bash"

git_http_start
repo_new shop
url=$SLUICE_TEST_GIT_HTTP_URL/shop.git
clone=$SERVERS_DIR/clone
shop() { git -C "$SERVERS_DIR/shop" "$@"; }
fetch() { "$probe" fetch "$url" --http --cache "$clone" --path sql "$@" 2>&1 || true; }

said "an empty repository" 'RevisionNotFound: .*branch .main. does not exist: the repository is empty' \
    fetch "$url" --http --cache "$clone" --path sql
said "an empty repository, polled" 'tip-error 0 RevisionNotFound' poll "$url" --http

for n in 1 2 3 4 5; do
    put shop "sql/V${n}__x.sql" "select $n;"
    commit shop "commit $n" 2>/dev/null
    eval "c$n=$(head_of shop)"
done
shop tag -a v1 -m one "$c2"
shop tag light "$c3"
shop tag -a nested -m two v1
shop tag tree-tag "$c1^{tree}"
shop branch -q side "$c4"
shop push -q origin side --tags
bare shop update-ref refs/pull/7/head "$c2"

# ---- kinds of refs ----
said "a branch" "ref refs/heads/side.*commit $c4.*revision side@sha1:$c4" fetch "$url" --http --branch side --path sql
said "a tag" "ref refs/tags/light.*commit $c3.*revision light@sha1:$c3" fetch "$url" --http --tag light --path sql
said "an annotated tag is its commit" "commit $c2.*revision v1@sha1:$c2" fetch "$url" --http --tag v1 --path sql
said "a tag of a tag too" "commit $c2" fetch "$url" --http --tag nested --path sql
said "a tag that is no commit" "RevisionNotFound: .*'tree-tag' points to a tree" fetch "$url" --http --tag tree-tag --path sql
said "a full ref" "ref refs/pull/7/head.*commit $c2" fetch "$url" --http --name refs/pull/7/head --path sql
said "HEAD" "ref HEAD.*commit $c5" fetch "$url" --http --name HEAD --path sql
said "a commit" "commit $c3.*revision sha1:$c3" fetch "$url" --http --commit "$c3" --path sql
said "a commit in capitals" "commit $c3" fetch "$url" --http --commit "${c3^^}" --path sql
said "a commit again, from the clone of a branch" "commit $c3" fetch "$url" --http --cache "$clone" --commit "$c3" --path sql
said "any: a branch" "ref refs/heads/side" fetch "$url" --http --any side --path sql
said "any: a tag" "ref refs/tags/v1" fetch "$url" --http --any v1 --path sql
said "any: a commit" "revision sha1:$c3" fetch "$url" --http --any "$c3" --path sql
said "any: a full ref" "ref refs/pull/7/head" fetch "$url" --http --any refs/pull/7/head --path sql
shop tag both "$c1"
shop push -q origin "$c2:refs/heads/both" refs/tags/both
said "any: two of that name" "InvalidSpec: .*'both' is a branch and a tag: write refs/heads/both or refs/tags/both" \
    fetch "$url" --http --any both --path sql
said "a poll answers all of them at once" \
    "tip 0 $c5 refs/heads/main.tip 1 $c2 refs/tags/v1.tip-error 2 Rev.*tip 3 $c2 refs/pull/7/head.tip 4 $c3 -" \
    poll "$url" --http --branch main --tag v1 --branch gone --name refs/pull/7/head --commit "$c3"
said "a poll of commits alone asks nobody" "tip 0 $c3 -" poll https://nosuch.invalid/x.git --commit "$c3"

# ---- what is not there ----
said "no such branch, but others" "RevisionNotFound: .*branch 'mian' does not exist in the repository; it has 'both', 'main', 'side'" \
    fetch "$url" --http --branch mian --path sql
said "no such tag" "RevisionNotFound: .*tag 'v9' .*it has 'both', 'light', 'nested', 'tree-tag' and 1 more" \
    fetch "$url" --http --tag v9 --path sql
said "no such commit" "RevisionNotFound: .*commit '0123.*not in the history of any branch or tag" \
    fetch "$url" --http --commit 0123456789012345678901234567890123456789 --path sql
said "half a commit" "InvalidSpec: .*not a full commit id: write all 40" fetch "$url" --http --commit "${c3:0:12}" --path sql
for name in 'a..b' 'a b' 'x~1' 'x^{tree}' 'x@{1}' ':/fix' 'x:sql' 'a*' '../../etc' '-' $'a\nb' ''; do
    said "no revision syntax in a branch name: ${name//$'\n'/ }" "InvalidSpec: .*not a valid git ref name|RevisionNotFound" \
        fetch "$url" --http --branch "$name" --path sql
done
said "nor in a full ref" "InvalidSpec: .*not a valid git ref name: write refs/heads" fetch "$url" --http --name main --path sql
for name in '-x' "it's" 'a;b' 'ä/ö'; do
    shop push -q origin "$c2:refs/heads/$name"
    said "an odd name is a name: $name" "commit $c2" fetch "$url" --http --branch "$name" --path sql
done

# ---- pinned revisions ----
said "a pinned commit of the branch" "tip $c5.*commit $c2.*revision main@sha1:$c2" \
    fetch "$url" --http --cache "$clone" --revision "$c2" --path sql
said "the files are its own" "V2__x.sql" fetch "$url" --http --cache "$clone" --revision "$c2" --path sql
is "and not later ones" "$(fetch --revision "$c2" | grep -c '^file')" 2
said "a pinned commit of another branch" "RevisionNotFound: .*revision $c5 is not in the history of branch 'side' \\(at ${c4:0:12}\\)" \
    fetch "$url" --http --cache "$clone" --branch side --revision "$c5" --path sql
answer=$(fetch --revision "$c2" --last "$c4")
is "older than what is applied" "$(field older "$answer") $(field history "$answer")" "1 ancestor"
answer=$(fetch --last "$c5")
is "the applied commit is the tip" "$(field older "$answer") $(field history "$answer")" "0 same"
answer=$(fetch)
is "nothing was applied" "$(field history "$answer")" none
is "skipped commits are listed" "$(field ancestors "$answer")" "4 $c4"

# ---- first parents, and no more than 64 ----
shop checkout -q -b feature "$c1"
put shop sql/V9__f.sql 'select 9;'
shop add -A && shop commit -q -m feature
shop checkout -q main
shop merge -q --no-ff -m merge feature
shop push -q origin main
merge=$(head_of shop)
is "ancestors go along the first parent" "$(field ancestors "$(fetch)")" "5 $c5"
for ((n = 0; n < 70; n++)); do shop commit -q --allow-empty -m "empty $n"; done
shop push -q origin main
is "not more than 64" "$(field ancestors "$(fetch)" | cut -d' ' -f1)" 64
answer=$(fetch --last "$merge")
is "a merge below the tip is an ancestor" "$(field history "$answer")" ancestor

# ---- rewritten, moved, deleted ----
last=$(head_of shop)
shop reset -q --hard "$c4"
put shop sql/V5__x.sql 'select 55;'
shop add -A && shop commit -q -m 'another five'
shop push -q -f origin main
rewritten=$(head_of shop)
answer=$(fetch --last "$last")
is "a force-push is seen" "$(field commit "$answer") $(field history "$answer")" "$rewritten rewritten"
like "with the new files, for the rule of contents" "$answer" 'V5__x.sql V5__x.sql 11'
answer=$("$probe" fetch "$url" --http --path sql --last "$last" 2>&1)
is "also in a clone that never had the old commit" "$(field history "$answer")" rewritten
answer=$(fetch --last "$c3")
is "a commit that both histories share is an ancestor still" "$(field history "$answer")" ancestor
shop push -q -f origin "$c2:refs/heads/main"
answer=$(fetch --last "$rewritten")
is "a branch that was set back" "$(field commit "$answer") $(field history "$answer") $(field older "$answer")" "$c2 rewritten 1"
shop tag -f light "$c1" >/dev/null
shop push -q -f origin light
said "a moved tag is where it is now" "commit $c1" fetch "$url" --http --cache "$clone" --tag light --path sql
shop push -q origin :side
said "a deleted branch is gone, whatever the clone holds" "RevisionNotFound: .*branch 'side' does not exist" \
    fetch "$url" --http --cache "$clone" --branch side --path sql
said "a commit that only deleted refs held is gone too" "RevisionNotFound: .*commit '$last' is not in the history" \
    fetch "$url" --http --cache "$clone" --commit "$last" --path sql
done_testing
