#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Recomputes the hash chain of a sluice_journal from docs/reference/formats.md 1.2, sharing no code with Sluice.
#
#   journal-verify.pl FILE
#
# FILE: one row a line in seq order, columns separated by "|" in the order of @fields below plus state
# and row_hash at the end; each column is hex of its UTF-8 text, or "-" for NULL.
# Prints "N rows, head HASH"; code 1 names the first row that does not fit.
use strict;
use warnings;
use Digest::SHA qw(sha256);

my @fields = qw(history_table seq format_version installed_rank kind version description script step line
    statement_sha256 step_class pre_state STATE git_commit file_sha256 placeholders_hmac epoch attempt
    retry_token session_id);
my ($pre_index) = grep { $fields[$_] eq 'pre_state' } 0 .. $#fields;
my ($state_index) = grep { $fields[$_] eq 'STATE' } 0 .. $#fields;

sub bad {
    print STDERR @_, "\n";
    exit 1;
}

open my $in, '<', $ARGV[0] or die "cannot read $ARGV[0]: $!\n";
my $previous = "\0" x 32;
my $seq = 0;
while (my $line = <$in>) {
    chomp $line;
    next if $line eq '';
    my @columns = map { $_ eq '-' ? undef : pack('H*', $_) } split /\|/, $line, -1;
    bad('line ', $., ': ', scalar(@columns), ' columns') unless @columns == @fields + 1;
    my $stored = pop @columns;
    $seq++;
    bad("seq $columns[1] where $seq belongs") unless $columns[1] eq $seq;
    $columns[$state_index] = 'intent' if defined $columns[$pre_index];
    my $text = $previous;
    $text .= defined $_ ? pack('N', length $_) . $_ : "\xff\xff\xff\xff" for @columns;
    $previous = sha256($text);
    my $hex = unpack 'H*', $previous;
    bad("seq $seq: row_hash is $stored, should be $hex") unless $stored eq $hex;
}
print "$seq rows, head ", ($seq ? unpack('H*', $previous) : 'none'), "\n";
