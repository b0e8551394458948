#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# docs/tutorial.md to the letter: all its commands in one shell, as a reader types them, and what they print is what the
# page shows. The reader's psql finds a private server; its address stands where the page says "localhost".
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"

page=$SLUICE_SOURCE/docs/tutorial.md

# Each block of commands becomes $folder/N.sh, what the page shows below it $folder/N.text.
blocks() {
    perl -0777 -ne '
        my $n = 0;
        while (/^```(\w+)( build)?\n(.*?)^```$/msg) {
            my ($kind, $build, $text) = ($1, $2, $3);
            die "a block of $kind\n" if $kind !~ /^(sh|text)$/;
            $n++ if $kind eq "sh";
            my $name = sprintf "%s/%02d.%s", $ENV{folder}, $n, $build ? "build" : $kind;
            die "two outputs of one block\n" if -e $name;
            open my $out, ">", $name or die "$name: $!\n";
            print $out $text;
        }' "$page"
}

# What differs from run to run: times, versions, commits, addresses, and blanks that align with them.
steady() {
    sed -E -e 's/\b[0-9]+ ms\b/N ms/g; s/PostgreSQL [0-9.]+/PostgreSQL N/; s/sha1:[0-9a-f]{10,}/sha1:C/g' \
        -e 's/ [0-9]+(s|m[0-9s]*)$/ AGE/; s/@(localhost|127\.0\.0\.1):[0-9]+/@HOST/g; s/ +$//; s/ +AGE/ AGE/'
}

# A line "..." stands for any lines.
shown() { # WANT GOT
    WANT=$1 GOT=$2 perl -e '
        my ($want, $got) = @ENV{qw(WANT GOT)};
        my $pattern = join "", map { $_ eq "..." ? "(?:.*\n)*?" : quotemeta($_) . "\n" } split /\n/, $want;
        exit("$got\n" =~ /\A$pattern\z/ ? 0 : 1);'
}
ok "lines that are left out are any lines" shown $'a\n...\nd' $'a\nb\nc\nd'
if shown $'a\nd' $'a\nb\nd' || shown $'a\n...\nd' $'a\nb\nd\ne'; then flunk "other lines are seen"; else pass "other lines are seen"; fi

mkdir blocks reader
folder=blocks blocks
count=$(find blocks -name '*.sh' | wc -l)
outputs=$(find blocks -name '*.text' | wc -l)
((count >= 12 && outputs >= 8)) || flunk "the page has commands and their output" "$count, $outputs"

# ---- the build: that of README.md; this program was built so -------------------------------------------------
is "the page builds as README.md does" "$(head -n 2 blocks/01.build)" \
    "$(sed -n '/^## Building by hand/,/^## /p' "$SLUICE_SOURCE/README.md" | grep -E '^    (deploy|cmake)' | sed 's/^    //; s/  *#.*//')"
# shellcheck disable=SC2016
is "and then names the folder of the program" "$(sed -n 3p blocks/01.build)" 'export PATH=$PWD/build/release:$PATH'
PATH=$(dirname "$SLUICE"):$PATH

# ---- the rest, in one shell -------------------------------------------------------------------------------------
pg_start pg plain
export PGHOST=$SLUICE_TEST_PG_SOCKET PGPORT=$SLUICE_TEST_PG_PORT PGUSER=postgres
is "no other address stands in the page" "$(cat blocks/*.sh | grep -oE '@[a-z0-9.]+' | sort -u)" @localhost
for block in blocks/*.sh; do
    sed "s/@localhost/@$SERVERS_HOST:$SLUICE_TEST_PG_PORT/" "$block" >"$block.mine"
    # One shell, which stops at the first command that fails, and prints each block into a file of its own.
    printf 'exec >%q 2>&1 </dev/null\n' "$PWD/$block.out"
    cat "$block.mine"
done >all
unset SLUICE_URL SLUICE_PASSWORD SLUICE_STANDALONE
run_expect "every command of the page ends well" 0 '^$' bash -c 'cd reader && set -e && . ../all'
for text in blocks/*.text; do
    block=${text%.text}
    want=$(steady <"$text")
    [ -e "$block.sh.out" ] || : >"$block.sh.out"
    got=$(steady <"$block.sh.out")
    if shown "$want" "$got"; then
        pass "the page shows what block $(basename "$block") prints"
    else
        flunk "the page shows what block $(basename "$block") prints" "$(diff <(echo "$want") <(echo "$got"))"
    fi
done
[ "$tap_failed" = 0 ] || sed 's/^/#   /' reader/controller.log || true
is "nothing of it is left in the server" "$(db_sql pg postgres "select count(*) from pg_database where datname like 'shop%'")" 0
done_testing
