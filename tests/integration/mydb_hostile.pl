#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
# A MySQL server, or who stands between, that wants to see the password.
#
#   mydb_hostile.pl PORT WORD...
#
# The N-th connection gets the N-th word, and the last one all that follow. PORT is the real server's. The first line on
# stdout is the port it listens on, at LISTEN_ADDRESS or 127.0.0.1; then a line a connection: its word, and what was said after the greeting.
#
#   relay        passes everything on, both ways
#   plain        a greeting without TLS; after the login an auth switch to mysql_clear_password
#   switch:NAME  the same with another plugin
#   drip         one byte of a greeting every 100 ms
#   error        an error instead of a greeting
#   garbage      no MySQL at all
#   hangup       closes the connection after it was asked for TLS
#   silent       nothing at all
#   tls          agrees to TLS, then a byte every 300 ms
#   switches     asks for one authentication after the other; more: for more of the same
#
# What stands behind `in:` comes after a login, to each statement:
#   rows  big  error  results     without an end, or of gigabytes
#   columns      a result that is to have 16777215 columns
#   lengths      a row whose fields are longer than it is
#   file         asks for a file of ours
#   mute         nothing; slow: a byte of a row every 300 ms
#   nulls  wrong  none  nothing  many     a result of another shape than was asked for
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;

my ($real, @words) = @ARGV;
my $listener = IO::Socket::INET->new(LocalAddr => $ENV{LISTEN_ADDRESS} // '127.0.0.1', LocalPort => 0, Listen => 64) or die "listen: $!";
$| = 1;
$SIG{PIPE} = 'IGNORE';
print $listener->sockport, "\n";

sub packet { my ($number, $bytes) = @_; return substr(pack('V', length $bytes), 0, 3) . chr($number) . $bytes }

sub greeting {
    my ($tls) = @_;
    my $capabilities = $tls ? 0x81bfffff : 0x81bff7ff;
    return packet(0, chr(10) . "10.11.19-MariaDB\0" . pack('V', 7) . "abcdefgh\0" . pack('v', $capabilities & 0xffff)
            . chr(45) . pack('v', 2) . pack('v', $capabilities >> 16) . chr(21) . ("\0" x 10) . "ijklmnopqrst\0mysql_native_password\0");
}

sub relay {
    my ($client) = @_;
    my $server = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $real) or return;
    my $both = IO::Select->new($client, $server);
    while (1) {
        for my $from ($both->can_read(30)) {
            my $n = sysread $from, my $bytes, 65536;
            return unless $n;
            my $to = $from == $client ? $server : $client;
            syswrite $to, $bytes;
        }
    }
}

sub ask { # the answers to a greeting and to an auth switch
    my ($client, $plugin) = @_;
    my @heard;
    syswrite $client, greeting(0);
    my $n = sysread $client, my $bytes, 65536;
    return 'nothing' unless $n;
    push @heard, $bytes;
    syswrite $client, packet(2, chr(0xfe) . "$plugin\0" . ('x' x 20) . "\0");
    $n = sysread $client, $bytes, 65536;
    push @heard, $bytes if $n;
    return join '|', map { s/[^ -~]/./gr } @heard;
}

# ---- after a login ------------------------------------------------------------------------------

sub hold { my ($client) = @_; 1 while sysread $client, my $bytes, 65536; exit 0 } # as long as the client is there
sub slowly { my ($client, $bytes) = @_; for my $byte (split //, $bytes) { return unless syswrite $client, $byte; select undef, undef, undef, 0.3 } }
sub forever { my ($client, $bytes) = @_; my $many = $bytes x (1 + int(200000 / length $bytes)); while (syswrite $client, $many) { } exit 0 }
sub hear { # a packet of the client's
    my ($client) = @_;
    my $take = sub {
        my ($length, $bytes) = (shift, '');
        while (length $bytes < $length) { sysread($client, $bytes, $length - length $bytes, length $bytes) or exit 0 }
        return $bytes;
    };
    my $head = $take->(4);
    return $take->(unpack 'V', substr($head, 0, 3) . "\0");
}
sub text { my ($bytes) = @_; return length $bytes < 251 ? chr(length $bytes) . $bytes : "\xfc" . pack('v', length $bytes) . $bytes }
sub columns { # COUNT of them, and the end of their list
    my ($count) = @_;
    my $column = join('', map { text($_) } 'def', '', '', '', 'c', 'c') . "\x0c" . pack('vVCvC', 45, 1024, 253, 0, 0) . "\0\0";
    return join '', packet(1, chr $count), (map { packet($_ + 1, $column) } 1 .. $count), packet($count + 2, "\xfe\0\0\2\0");
}
sub endless_packet { # one of gigabytes: it is in pieces of 16 MiB
    my ($client, $head) = @_;
    for (my $number = 1;; $number++) {
        syswrite($client, "\xff\xff\xff" . chr($number % 256) . $head) or exit 0;
        my $left = 0xffffff - length $head;
        $head = '';
        while ($left > 0) { my $n = syswrite $client, 'x' x ($left < 1000000 ? $left : 1000000); $n or exit 0; $left -= $n }
    }
}
sub statement {
    my ($client, $word) = @_;
    if ($word eq 'mute') { hold($client) }
    if ($word eq 'slow') { slowly($client, columns(1) . packet(4, text('x' x 200)) x 50); exit 0 }
    if ($word eq 'rows') { syswrite $client, columns(1); my $n = 3; while (1) { syswrite($client, join '', map { packet(++$n % 256, text('x' x 100)) } 1 .. 1000) or exit 0 } }
    if ($word eq 'big') { syswrite $client, columns(1); endless_packet($client, "\xfe" . pack('Q<', 9000000000)) }
    if ($word eq 'error') { endless_packet($client, "\xff" . pack('v', 1105) . '#HY000') }
    if ($word eq 'results') { my $n = 0; while (1) { syswrite($client, join '', map { packet(++$n % 256, "\0\0\0\x0a\0\0\0") } 1 .. 1000) or exit 0 } }
    if ($word eq 'columns') { syswrite $client, packet(1, "\xfd\xff\xff\xff"); hold($client) }
    if ($word eq 'lengths') { syswrite $client, columns(3) . packet(6, "\xfe" . pack('Q<', 1 << 40) . "abc") . packet(7, "\xfe\0\0\2\0"); return }
    if ($word eq 'file') { syswrite $client, packet(1, "\xfb/etc/hostname"); return hear($client) }
    if ($word eq 'nothing') { syswrite $client, packet(1, "\0\0\0\2\0\0\0"); return }
    my %rows = (nulls => [ "\xfb" x 40 ], wrong => [ text('x') ], none => [], many => [ (text('-1') x 40) x 5 ]);
    my $count = $word eq 'wrong' ? 1 : 40;
    my $number = $count + 2;
    syswrite $client, columns($count) . join('', map { packet(++$number, $_) } @{ $rows{$word} }) . packet(++$number, "\xfe\0\0\2\0");
}
sub session {
    my ($client, $word) = @_;
    syswrite $client, greeting(0);
    hear($client);
    syswrite $client, packet(2, "\0\0\0\2\0\0\0");
    while (1) {
        my $command = hear($client);
        exit 0 if $command =~ /^\x01/;
        # What only sets something is answered in any case: the questions come behind it.
        if ($command =~ /^\x03(SET|START|ROLLBACK|COMMIT)\b/i && $word ne 'mute') { syswrite $client, packet(1, "\0\0\0\2\0\0\0") }
        else { statement($client, $word) }
    }
}
sub authentication {
    my ($client, $bytes) = @_;
    syswrite $client, greeting(0);
    hear($client);
    for (my $n = 2;; $n += 2) { syswrite($client, packet($n % 256, $bytes)) or exit 0; hear($client); select undef, undef, undef, 0.05 }
}

my $count = 0;
$SIG{CHLD} = 'IGNORE';
while (1) {
    my $client = $listener->accept or next; # a child's end interrupts it
    my $word = $words[$count < $#words ? $count : $#words];
    $count++;
    $client->autoflush(1);
    my $pid = fork // die;
    if ($pid) { close $client; next }
    my $heard = '';
    if ($word eq 'relay') { relay($client) }
    elsif ($word eq 'plain') { $heard = ask($client, 'mysql_clear_password') }
    elsif ($word =~ /^switch:(.*)/) { $heard = ask($client, $1) }
    elsif ($word eq 'error') { syswrite $client, packet(0, "\xff" . pack('v', 1040) . '#08004Too many connections') }
    elsif ($word eq 'garbage') { syswrite $client, "HTTP/1.1 400 Bad Request\r\n\r\n" }
    elsif ($word eq 'hangup') { syswrite $client, greeting(1); sysread $client, my $bytes, 65536 }
    elsif ($word eq 'silent') { hold($client) }
    elsif ($word eq 'tls') { syswrite $client, greeting(1); sysread $client, my $bytes, 36; slowly($client, "\x16\x03\x03\x40\x00\x02" . ("\0" x 5000)) }
    elsif ($word eq 'switches') { authentication($client, chr(0xfe) . "mysql_native_password\0" . ('x' x 20) . "\0") }
    elsif ($word eq 'more') { authentication($client, "\x01" . ('x' x 20)) }
    elsif ($word =~ /^in:(.*)/) { session($client, $1) }
    elsif ($word eq 'drip') {
        for my $byte (split //, greeting(0)) { last unless syswrite $client, $byte; select undef, undef, undef, 0.1 }
    }
    print "$word: $heard\n";
    exit 0;
}
