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
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;

my ($real, @words) = @ARGV;
my $listener = IO::Socket::INET->new(LocalAddr => $ENV{LISTEN_ADDRESS} // '127.0.0.1', LocalPort => 0, Listen => 8) or die "listen: $!";
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

my $count = 0;
while (my $client = $listener->accept) {
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
    elsif ($word eq 'drip') {
        for my $byte (split //, greeting(0)) { last unless syswrite $client, $byte; select undef, undef, undef, 0.1 }
    }
    print "$word: $heard\n";
    exit 0;
}
