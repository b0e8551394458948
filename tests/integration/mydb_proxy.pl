#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# A TCP relay to a Unix socket that cuts one connection at a chosen request.
#
#   mydb_proxy.pl SOCKET PORTFILE PATTERN NTH request|reply|hold
#
# The NTH request (over all connections) that holds PATTERN: "request": it never arrives; "reply": it
# arrives, its answer does not; "hold": it arrives two seconds after the client has lost its connection.
# All before and after is relayed. The port is written to PORTFILE.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;

my ($socket, $portfile, $pattern, $nth, $how) = @ARGV;
my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 16, ReuseAddr => 1) or die "listen: $!\n";
open my $out, '>', "$portfile.new" or die $!;
print $out $listen->sockport, "\n";
close $out;
rename "$portfile.new", $portfile or die $!;

my $select = IO::Select->new($listen);
my (%peer, %client, %held, $seen);
$seen = 0;

sub hang_up {
    my (@ends) = @_;
    for my $end (grep { defined } @ends) {
        $select->remove($end);
        delete $peer{$end};
        delete $client{$end};
        close $end;
    }
}

sub cut {
    my ($from, $to, $bytes) = @_;
    print "cut $how\n";
    STDOUT->flush;
    if ($how eq 'request') {
        hang_up($from, $to);
    } elsif ($how eq 'reply') {
        syswrite $to, $bytes;
        $select->remove($from);
        # The server's answer proves that it is done; then the client loses the connection.
        sysread $to, my $answer, 65536;
        hang_up($from, $to);
    } else {
        $select->remove($from);
        close $from;
        delete $peer{$_} for $from, $to;
        $held{$to} = [$to, $bytes, time + 2];
    }
}

while (1) {
    for my $ready ($select->can_read(0.1)) {
        if ($ready == $listen) {
            my $from = $listen->accept or next;
            my $to = IO::Socket::UNIX->new(Peer => $socket) or do { close $from; next };
            $select->add($from, $to);
            ($peer{$from}, $peer{$to}) = ($to, $from);
            $client{$from} = 1;
            next;
        }
        next unless defined fileno $ready; # closed along with its peer a moment ago
        my $got = sysread $ready, my $bytes, 1 << 20;
        my $to = $peer{$ready};
        if (!$got || !$to) {
            hang_up($ready, $to);
            delete $held{$ready};
        } elsif ($client{$ready} && $bytes =~ /$pattern/ && ++$seen == $nth) {
            cut($ready, $to, $bytes);
        } else {
            syswrite $to, $bytes;
        }
    }
    for my $key (keys %held) {
        my ($to, $bytes, $when) = @{ $held{$key} };
        next if time < $when;
        syswrite $to, $bytes;
        $select->remove($to);
        close $to;
        delete $held{$key};
    }
}
