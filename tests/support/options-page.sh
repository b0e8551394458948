#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Prints docs/reference/options.md: every command with its options, from what the program says of itself, which is
# printed from the tables that parse.
#
#   tests/support/options-page.sh build/release/sluice >docs/reference/options.md
set -euo pipefail
program=${1:?the program}

cat <<'END'
# Every command and its options

Made from the tables that parse the command line, by `tests/support/options-page.sh build/release/sluice`; a test compares the
two. What the commands do, their exit codes and JSON: [commands.md](commands.md). All of them take `--color`
and `--help`.
END
"$program" help | sed -n 's/^  \([a-z-]*\) .*/\1/p' | while read -r command; do
    printf '\n## sluice %s\n' "$command"
    "$program" help "$command" </dev/null | perl -e '
        use strict; use warnings;
        my (@about, @rows);
        sub form { # a form of the command is over
            my $text = join "\n", @about;
            $text =~ s/^\n+|\n+\z//g;
            $text =~ s/(?<!\n)\n(    )/\n\n$1/; # an example is a paragraph of its own
            $text =~ s/(\n    .*)\n(?! |\n)/$1\n\n/g;
            print "\n$text\n" if $text ne "";
            print "\n| option | meaning |\n|---|---|\n", @rows if @rows;
            @about = @rows = ();
        }
        while (my $line = <STDIN>) {
            chomp $line;
            if ($line =~ /^Usage: (.*)/) { form(); print "\n    $1\n" }
            elsif ($line =~ /^  (?:(-.), |    )(--[a-z].*)/) {
                my ($letter, $rest) = ($1, $2);
                # The text stands in its column, or alone in the next line.
                my ($name, $help) = length $line > 37 && substr($line, 36, 1) eq " "
                    ? (substr($line, 6, 30), substr($line, 37)) : ($rest, "");
                ($help = <STDIN>) =~ s/^\s+|\s+$//g if $help eq "";
                $name =~ s/\s+$//;
                next if $name =~ /^--(color|help)\b/;
                s/\|/\\|/g for $name, $help; # of a table
                push @rows, "| " . ($letter ? "`$letter`, " : "") . "`$name` | $help |\n";
            }
            elsif ($line ne "Options:") { push @about, $line }
        }
        form();'
done
