#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Pages and comments name only what is in this repository: headings that are cited, links, pages; and
# nothing of the places where it was made.
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/sources.sh"

check() { "$SLUICE_SOURCE/tests/support/references.pl" "$@"; }

readarray -t texts < <(sources '*.c' '*.h' '*.sh' '*.bash' '*.pl' '*.cmake' '*CMakeLists.txt' '*.md' '*.yaml' '.ci/*')
readarray -t pages < <(sources '*.md')
# Tests make pages up; what they cite is checked, too.
readarray -t own < <(printf '%s\n' "${texts[@]}" | grep -v '^tests/[usi]')

# ---- the checks see what they are for -----------------------------------------------------------

wrong=$(mktemp -d)
trap 'rm -rf "$wrong"' EXIT
mkdir "$wrong/docs"
# The names are put together here, so that this file does not name what is not there.
gone=absent.'md'
printf '# P\n\n## 1. One\n\n### 1.2 Two\n\n### 3. Three\n\n### 3. Again\n' >"$wrong/docs/p.md"
printf '[p.md](p.md) 1.2, [p](p.md#1-one), [p](p.md#nowhere), [%s](%s)\n' "$gone" "$gone" >"$wrong/docs/q.md"
printf '/* docs/p.md 1,\n * docs/p.md 1.2 and 4, docs/p.md\n * 2.1, docs/p.md 1-3; docs/%s 1 */\n' "$gone" >"$wrong/x.c"
found() { (cd "$wrong" && find . -type f | sed 's,^\./,,' | sort | check "$1" .); }
is "the check of citations sees a heading that is not there, or twice" "$(found citations)" \
    'x.c:2: docs/p.md has 0 headings 4
x.c:2: docs/p.md has 0 headings 2.1
x.c:3: docs/p.md has 2 headings 3
x.c:3: there is no page docs/'"$gone"
is "the check of links sees a page or a heading that is not there" "$(found links)" \
    "docs/q.md:1: docs/p.md has no heading #nowhere
docs/q.md:1: there is no docs/$gone"
is "the check of pages sees a name that is not there" "$(found pages | sort -u)" \
    "docs/q.md:1: there is no page $gone
x.c:3: there is no page docs/$gone"

# ---- the repository -----------------------------------------------------------------------------

[ ${#texts[@]} -gt 200 ] || flunk "there are files to read" "${#texts[@]}"
problems=$(printf '%s\n' "${texts[@]}" | grep -v 'tests/static/references.sh' | check citations .)
is "every section that is cited has a heading of its number" "$problems" ''
problems=$(printf '%s\n' "${pages[@]}" | check links .)
is "every link between pages leads to something" "$problems" ''
problems=$(printf '%s\n' "${own[@]}" | check pages .)
is "every page that is named is there" "$problems" ''

problems=$(for page in "${pages[@]}"; do
    case $page in
    docs/README.md) grep -q "$page" README.md || printf '%s\n' "$page" ;;
    docs/*) grep -q "](${page#docs/})" docs/README.md || printf '%s\n' "$page" ;;
    esac
done)
is "README.md leads to docs/README.md, which leads to every page of docs/" "$problems" ''

# Letter classes instead of letters: the patterns do not find themselves.
outside='(^|[^[:alnum:]_.$}-])/[w]ork/|[s]hared/[a-z]|[i]ssue #|[i]ssues? [0-9]|/[h]ome/[a-z]|/[U]sers/[a-z]'
registries='[r]epo1?\.maven|[m]aven\.org|[n]pmjs\.|[p]ypi\.org|[p]ythonhosted\.|[c]rates\.io|[p]roxy\.golang|'
registries+='[d]ocker\.io|[g]hcr\.io|[q]uay\.io|[g]cr\.io|[r]egistry\.|[d]eb\.debian|[s]napshot\.debian'
problems=$(sources | xargs -d '\n' grep -nIE "$outside" || true)
is "no file names a place outside of the repository" "$problems" ''
problems=$(sources | xargs -d '\n' grep -nIE "$registries" || true)
is "no file names the host of a package registry" "$problems" ''
done_testing
