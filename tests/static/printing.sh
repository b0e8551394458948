#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Nobody prints past say.c, which makes foreign text printable: to stdout and stderr go its functions, the JSON lines of
# log.c, and what a parent reads from its child.
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/sources.sh"

# FILE: why it may.
excuses='
cli/say.c     the one place
cli/live.c    what it draws is printable already
cli/run.c     the log of a Job goes to stdout
cli/controller.c  the log
base/log.c     writes JSON lines
base/mem.c     out of memory: a text of its own
base/json.c    the same
base/gzip.c    the same
base/hash.c    the same, of OpenSSL
git/child.c              the parent reads it
database/ask_child.c     the parent reads it
database/overdue.c       the last word of a process, which is ours
runner/budget.c  the same
k8s/client/exec_plugin.c        the plugin talks to the person
'
ways='(^|[^a-z_])(printf|vprintf|puts|putchar|putc|perror|psignal|dprintf|vdprintf)\(|\b(stdout|stderr|STDOUT_FILENO|STDERR_FILENO)\b'
flushes='fflush\(stdout\)' # prints nothing

prints() { # FILE…: the lines that print, without comments
    grep -nHE "$ways" "$@" | grep -vE "$flushes|^[^:]*:[0-9]*: *(//|/?\*)" || true
}

# The pattern must find what it is for.
sample=$(mktemp)
for line in 'printf("%s", x);' 'fprintf(stderr, "x");' '    puts(x);' 'fputs(x, stdout);' 'write(STDOUT_FILENO, x, 1);' 'dprintf(2, "x");'; do
    echo "$line" >"$sample"
    if [ -n "$(prints "$sample")" ]; then pass "found: $line"; else flunk "found: $line"; fi
done
for line in 'snprintf(x, n, "x");' 'mem_printf("x");' 'fflush(stdout);' '/* to stdout */' 'say("%s", x);'; do
    echo "$line" >"$sample"
    if [ -z "$(prints "$sample")" ]; then pass "let alone: $line"; else flunk "let alone: $line"; fi
done
rm -f "$sample"

problems=''
while IFS= read -r line; do
    [ -n "$line" ] || continue
    file=${line%%:*}
    grep -q "^$file " <<<"$excuses" || problems+="$line"$'\n'
done < <(product_sources | grep '\.c$' | xargs grep -lE "$ways" | while read -r file; do prints "$file"; done)
# A line break of ours that is passed as an argument would be spelled out.
breaks() { grep -nHE '[?:] *"[^"]*\\n' "$@" | grep -v 'say_lines\|complain_lines' || true; }
echo 'say("%s", one ? "BEGIN;\n" : "");' >"$sample"
if [ -n "$(breaks "$sample")" ]; then pass "found: a line break as an argument"; else flunk "found: a line break as an argument"; fi
rm -f "$sample"
is "no line break is an argument" "$(sources 'cli/*.c' | while read -r file; do breaks "$file"; done)" ''
if [ -z "$problems" ]; then pass "nobody prints past say.c"; else flunk "nobody prints past say.c" "$problems"; fi
while read -r file _; do
    [ -z "$file" ] || [ -n "$(prints "$file")" ] || flunk "$file needs its excuse"
done <<<"$excuses"
done_testing
