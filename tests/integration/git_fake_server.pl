#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# A git server that misbehaves in one way: MODE PORT LOG [UPSTREAM].
#   silent     accepts and never says a word
#   drip       a correct beginning, then one byte a second
#   redirect   302 to another host, with a secret in the query
#   busy       503
#   html       200 with a web page
#   endless    a list of refs that never ends
#   denied     401
#   slow       passes everything on to port UPSTREAM, and back at 3 MB a second
# Every request goes to LOG with its headers.
use strict;
use warnings;
use IO::Socket::INET;

my ($mode, $port, $log, $upstream) = @ARGV;
$SIG{CHLD} = 'IGNORE';
$SIG{PIPE} = 'IGNORE';
my $server = IO::Socket::INET->new(
    LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 64, ReuseAddr => 1
) or die "listen: $!";

sub request {
    my ($client) = @_;
    my $text = '';
    while (defined(my $line = <$client>)) {
        $text .= $line;
        last if $line =~ /^\r?\n$/;
    }
    open my $out, '>>', $log or die "log: $!";
    syswrite $out, $text;
    return $text ne '';
}

sub pkt { my ($text) = @_; return sprintf('%04x%s', length($text) + 4, $text); }
my $advert = "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n"
    . "Connection: close\r\n\r\n";
my $first = pkt("# service=git-upload-pack\n") . '0000'
    . pkt('1' x 40 . " refs/heads/main\0side-band-64k ofs-delta\n");

my %answers = (
    redirect => "HTTP/1.1 302 Found\r\nLocation: http://user:hunter2\@elsewhere.example:81/shop.git"
        . "/info/refs?service=git-upload-pack&token=hunter2\r\nContent-Length: 0\r\n\r\n",
    busy   => "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy",
    html   => "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
    denied => "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
);

sub relay {
    my ($client) = @_;
    my $far = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $upstream) or exit;
    while (1) {
        my $ready = '';
        vec($ready, fileno $_, 1) = 1 for $client, $far;
        select $ready, undef, undef, undef;
        for my $pair ([$client, $far], [$far, $client]) {
            next unless vec($ready, fileno $pair->[0], 1);
            my $n = sysread $pair->[0], my $bytes, 60000;
            exit unless $n && syswrite $pair->[1], $bytes;
            select undef, undef, undef, 0.02 if $pair->[0] == $far;
        }
    }
}

# No child outlives the server: the silent ones would sleep on.
my @children;
$SIG{TERM} = sub { kill 'KILL', @children; exit };

while (1) {
    my $client = $server->accept or next;
    my $pid = fork;
    if ($pid) {
        push @children, $pid;
        next;
    }
    $SIG{TERM} = 'DEFAULT';
    if ($mode eq 'silent') {
        sleep 1000;
    } elsif ($mode eq 'slow') {
        relay($client);
    } elsif (request($client)) {
        if ($mode eq 'drip') {
            syswrite $client, $advert;
            for my $byte (split //, $first x 100) {
                syswrite($client, $byte) or exit;
                sleep 1;
            }
        } elsif ($mode eq 'endless') {
            syswrite $client, $advert . $first;
            my $n = 0;
            while (1) {
                my $refs = join '', map { pkt(sprintf "%040x refs/heads/b%d\n", $n + $_, $n + $_) } 1 .. 500;
                $n += 500;
                last unless syswrite $client, $refs;
            }
        } else {
            syswrite $client, $answers{$mode};
        }
    }
    exit;
}
