#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# A relay to a PostgreSQL socket that has an accident at the n-th COMMIT of the first connection.
#
#   pg-relay.pl PORT-FILE SOCKET HOW NUMBER
#
# HOW   request   the COMMIT and what is behind it never arrive; the connection is cut
#       reply     the server's answer to it and everything behind that is lost
#       late      as request, but it arrives two seconds after the cut, which comes when the server has
#                 executed all that is before the COMMIT
# Later connections pass. Writes the port it listens on to PORT-FILE, ends with its parent's kill.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;

my ($port_file, $socket, $how, $number) = @ARGV;
my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 16, ReuseAddr => 1)
    or die "listen: $!\n";
open my $out, '>', "$port_file.new" or die $!;
print $out $listen->sockport, "\n";
close $out;
rename "$port_file.new", $port_file or die $!;
$SIG{PIPE} = 'IGNORE';
$SIG{CHLD} = 'IGNORE';

# Whole messages of the front end, so that a COMMIT is never half sent. Startup has no type byte.
sub messages {
    my ($buffer, $started) = @_;
    my @list;
    while (1) {
        my $head = $$started ? 1 : 0;
        last if length($$buffer) < $head + 4;
        my $length = unpack('N', substr($$buffer, $head, 4)) + $head;
        last if length($$buffer) < $length;
        push @list, substr($$buffer, 0, $length, '');
        $$started = 1;
    }
    return @list;
}

# Where each ReadyForQuery of what the server has said ends.
sub ready_ends {
    my ($replies) = @_;
    my ($at, @ends) = (0);
    while ($at + 5 <= length $replies) {
        my ($type, $length) = unpack 'aN', substr($replies, $at, 5);
        last if $at + 1 + $length > length $replies;
        $at += 1 + $length;
        push @ends, $at if $type eq 'Z';
    }
    return @ends;
}

# A runner that asks for the lease again may come before a transaction that has not begun yet, and the
# fence then refuses that one: a COMMIT has its effect for certain only once all before it is executed.
# The client hears the answers to what it has asked, and not that to our Sync.
sub executed {
    my ($server, $client, $replies, $asked) = @_;
    my $heard = length $replies;
    syswrite $server, 'S' . pack('N', 4);
    my @ends = ready_ends($replies);
    while (@ends <= $asked) {
        sysread $server, my $bytes, 65536 or return;
        $replies .= $bytes;
        @ends = ready_ends($replies);
    }
    my $end = $asked ? $ends[$asked - 1] : 0;
    syswrite $client, substr($replies, $heard, $end - $heard) if $end > $heard;
}

sub serve {
    my ($client, $first) = @_;
    my $server = IO::Socket::UNIX->new(Peer => $socket) or die "server: $!\n";
    my $select = IO::Select->new($client, $server);
    my ($buffer, $answers, $started, $seen) = ('', '', 0, 0);
    my ($replies, $asked) = ('', 1); # the start is answered by a ReadyForQuery, too
    while (my @ready = $select->can_read) {
        for my $from (@ready) {
            my $n = sysread $from, my $bytes, 65536;
            return unless $n;
            if ($from == $server) {
                if ($first && $how eq 'reply') {
                    $answers .= $bytes;
                    my $n = () = $answers =~ /C\0\0\0\x0bCOMMIT\0/g;
                    return if $n >= $number; # it is committed, and nobody hears of it
                }
                $replies .= $bytes if $how eq 'late';
                syswrite $client, $bytes;
                next;
            }
            $buffer .= $bytes;
            for my $message (messages(\$buffer, \$started)) {
                # Parse: 'P' length name NUL query NUL; a simple query: 'Q' length query NUL.
                my $commit = $message =~ /^(?:P....\0|Q....)COMMIT\0/s;
                $seen++ if $first && $commit;
                if ($first && $commit && $seen == $number && $how ne 'reply') {
                    executed($server, $client, $replies, $asked) if $how eq 'late';
                    close $client;
                    if ($how eq 'late') {
                        select undef, undef, undef, 2;
                        syswrite $server, $message . sync_tail();
                        select undef, undef, undef, 1;
                    }
                    return;
                }
                # A simple query and a Sync are answered by one ReadyForQuery each.
                $asked++ if $message =~ /^[QS]/;
                syswrite $server, $message;
            }
        }
    }
}

# Bind, Execute and Sync for the COMMIT that arrives late.
sub sync_tail {
    my $bind = "\0\0" . pack('nnn', 0, 0, 0);
    my $execute = "\0" . pack('N', 0);
    return 'B' . pack('N', 4 + length $bind) . $bind . 'E' . pack('N', 4 + length $execute) . $execute . 'S' . pack('N', 4);
}

my $connections = 0;
while (my $client = $listen->accept) {
    $connections++;
    my $pid = fork // die "fork: $!\n";
    next if $pid;
    close $listen;
    serve($client, $connections == 1);
    exit 0;
}
