#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
# A PostgreSQL server that means harm: it keeps who asks waiting, or sends more than anybody can hold.
#
#   pg_hostile.pl WORD
#
# The first line on stdout is the port it listens on, at 127.0.0.1; then a line a connection, with what it heard.
#
# Before a login is over:
#   silent       nothing at all
#   drip         a byte of an error every 300 ms
#   tls          agrees to TLS, then a byte every 300 ms
#   clear        asks for the password in clear, and prints what it gets
#   rounds       SCRAM with 2147483647 rounds
#   parameters   logs in, and then sends settings without an end
#   greet        logs in, and then is silent
# After it, to each statement:
#   rows  big  error  notices  notify  copy  copyin  results     without an end, or of 900 MB
#   lengths      a row whose length is less than nothing
#   huge         a row that is to have 2147483000 bytes, of which none come
#   mute         nothing; slow: a byte of a row every 300 ms
#   nulls  wrong  none  nothing  many  zero     a result of another shape than was asked for
use strict;
use warnings;
use IO::Socket::INET;

my ($word) = @ARGV;
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 64) or die "listen: $!";
$| = 1;
$SIG{PIPE} = 'IGNORE';
$SIG{CHLD} = 'IGNORE';
print $listener->sockport, "\n";

sub message { my ($type, $bytes) = @_; return $type . pack('N', 4 + length $bytes) . $bytes }
sub hold { my ($client) = @_; 1 while sysread $client, my $bytes, 65536; exit 0 } # as long as the client is there
sub slowly { my ($client, $bytes) = @_; for my $byte (split //, $bytes) { return unless syswrite $client, $byte; select undef, undef, undef, 0.3 } }
sub forever { my ($client, $bytes) = @_; my $many = $bytes x (1 + int(200000 / length $bytes)); while (syswrite $client, $many) { } exit 0 }
sub stream { # LENGTH bytes behind HEAD
    my ($client, $head, $length) = @_;
    syswrite $client, $head;
    my $piece = 'x' x 1000000;
    for (my $sent = 0; $sent < $length; $sent += length $piece) { syswrite($client, $piece) or exit 0 }
}
sub exactly {
    my ($client, $length) = @_;
    my $bytes = '';
    while (length $bytes < $length) { sysread($client, $bytes, $length - length $bytes, length $bytes) or exit 0 }
    return $bytes;
}
sub fields { my ($count) = @_; return message('T', pack('n', $count) . join '', map { "c\0" . pack('NnNnNn', 0, 0, 25, 65535, 4294967295, 0) } 1 .. $count) }
sub row { return message('D', pack('n', scalar @_) . join '', map { defined $_ ? pack('N', length $_) . $_ : pack('N', 4294967295) } @_) }
my $error = "SERROR\0VERROR\0CXX000\0M";

sub answer { # to one Execute, or to a simple query
    my ($client, $simple) = @_;
    if ($word eq 'mute') { hold($client) }
    if ($word eq 'slow') { slowly($client, fields(1) . row('x' x 5000)); exit 0 }
    if ($word eq 'rows') { syswrite $client, fields(1) if $simple; forever($client, row('x' x 100)) }
    if ($word eq 'big') { syswrite $client, fields(1) if $simple; stream($client, 'D' . pack('NnN', 900000010, 1, 900000000), 900000000) }
    if ($word eq 'error') { stream($client, 'E' . pack('N', 900000006 + length $error) . $error, 900000000); syswrite $client, "\0\0" }
    if ($word eq 'notices') { forever($client, message('N', "SNOTICE\0VNOTICE\0C00000\0Mboo\0\0")) }
    if ($word eq 'notify') { forever($client, message('A', pack('N', 1) . "channel\0" . ('x' x 100) . "\0")) }
    if ($word eq 'copy') { syswrite $client, message('H', "\0\0\0"); forever($client, message('d', 'x' x 100)) }
    if ($word eq 'copyin') { syswrite $client, message('G', "\0\0\0"); hold($client) }
    if ($word eq 'results') { forever($client, message('C', "SELECT 1\0")) }
    if ($word eq 'lengths') { syswrite $client, (fields(1)) x $simple, 'D' . pack('NnN', 10, 1, 4294967000) }
    if ($word eq 'huge') { syswrite $client, 'D' . pack('Nn', 2147483000, 1); hold($client) }
    my %rows = (nulls => [ [ (undef) x 40 ] ], wrong => [ [ 'x' ] ], none => [], many => [ map { [ ("-1") x 40 ] } 1 .. 5 ], zero => [ [] ]);
    if (my $rows = $rows{$word}) {
        syswrite $client, fields($word eq 'wrong' ? 1 : $word eq 'zero' ? 0 : 40) if $simple;
        syswrite $client, join '', map { row(@$_) } @$rows;
    }
    syswrite $client, message('C', "SELECT 1\0");
}

sub session {
    my ($client) = @_;
    while (1) {
        my ($type, $length) = unpack 'aN', exactly($client, 5);
        my $body = exactly($client, $length - 4);
        if ($type eq 'Q') { answer($client, 1); syswrite $client, message('Z', 'I') }
        elsif ($type eq 'P') { syswrite $client, message('1', '') }
        elsif ($type eq 'B') { syswrite $client, message('2', '') }
        elsif ($type eq 'D') {
            if ($word =~ /^(mute|slow|error|notices|notify|copy|copyin|results|nothing)$/) { syswrite $client, message('n', '') }
            else { syswrite $client, fields($word =~ /^(nulls|many|none)$/ ? 40 : $word eq 'zero' ? 0 : 1) }
        }
        elsif ($type eq 'E') { answer($client, 0) }
        elsif ($type eq 'S') { syswrite $client, message('Z', 'I') }
        elsif ($type eq 'X') { exit 0 }
    }
}

sub serve {
    my ($client) = @_;
    if ($word eq 'silent') { hold($client) }
    my $body = exactly($client, unpack('N', exactly($client, 4)) - 4);
    if (unpack('N', $body) == 80877103) {
        if ($word eq 'tls') { syswrite $client, 'S'; slowly($client, "\x16\x03\x03\x40\x00\x02" . ("\0" x 5000)); exit 0 }
        syswrite $client, 'N';
        $body = exactly($client, unpack('N', exactly($client, 4)) - 4);
    }
    if (unpack('N', $body) == 80877102) { exit 0 } # a cancel
    print "login\n";
    if ($word eq 'drip') { slowly($client, 'E' . pack('N', 29000) . ('x' x 29000)); exit 0 }
    if ($word eq 'rounds') {
        syswrite $client, message('R', pack('N', 10) . "SCRAM-SHA-256\0\0");
        my ($type, $length) = unpack 'aN', exactly($client, 5);
        my ($nonce) = exactly($client, $length - 4) =~ /r=([^,]+)/;
        syswrite $client, message('R', pack('N', 11) . "r=${nonce}abcd,s=c2FsdHNhbHQ=,i=2147483647");
        hold($client);
    }
    if ($word eq 'clear') {
        syswrite $client, message('R', pack('N', 3));
        my ($type, $length) = unpack 'aN', exactly($client, 5);
        print exactly($client, $length - 4) =~ s/\0//r, "\n";
        exit 0;
    }
    syswrite $client, message('R', pack('N', 0));
    if ($word eq 'greet') { hold($client) }
    if ($word eq 'parameters') {
        for (my $n = 0;; $n += 1000) { syswrite($client, join '', map { message('S', "p$_\0" . ('x' x 500) . "\0") } $n .. $n + 999) or exit 0 }
    }
    syswrite $client, message('S', "server_version\x0015.3\0") . message('S', "client_encoding\0UTF8\0")
        . message('S', "standard_conforming_strings\0on\0") . message('K', pack('NN', 42, 42)) . message('Z', 'I');
    session($client);
}

while (1) {
    my $client = $listener->accept or next; # a child's end interrupts it
    my $pid = fork // die;
    if ($pid) { close $client; next }
    $client->autoflush(1);
    serve($client);
    exit 0;
}
