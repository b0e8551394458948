#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# An API server that misbehaves: ADDRESS PORT FOLDER. The first part of the path names the story, so a
# kubeconfig chooses it by its server's address. Every request goes to FOLDER/<story>.log:
# METHOD PATH | Authorization | User-Agent | body. What was asked how often is counted there, too.
use strict;
use warnings;
use Fcntl ':flock';
use IO::Socket::IP;
use POSIX 'WNOHANG';
use Time::HiRes 'sleep';

my ($address, $port, $folder) = @ARGV;
$SIG{PIPE} = 'IGNORE';
my $server = IO::Socket::IP->new(
    LocalHost => $address, LocalPort => $port, Listen => 64, ReuseAddr => 1
) or die "listen: $!";

my ($client, $story, %headers);

sub answer {
    my ($code, $body, @headers) = @_;
    print $client "HTTP/1.1 $code X\r\n", map({ "$_\r\n" } @headers), "Content-Type: application/json\r\n",
        "Content-Length: ", length $body, "\r\nConnection: close\r\n\r\n", $body;
}
sub status {
    my ($code, $reason, $message, @headers) = @_;
    answer($code, qq({"kind":"Status","code":$code,"reason":"$reason","message":"$message"}), @headers);
}
sub object { my ($name, $rv) = @_; return qq({"metadata":{"name":"$name","namespace":"ns","resourceVersion":"$rv"}}); }
sub list {
    my ($rv, $continue, @objects) = @_;
    answer(200, qq({"kind":"JobList","apiVersion":"batch/v1","metadata":{"resourceVersion":"$rv","continue":"$continue"},)
        . '"items":[' . join(',', @objects) . ']}');
}
sub stream { print $client "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"; $client->flush; }
sub chunk { my ($text) = @_; printf $client "%x\r\n%s\r\n", length $text, $text; $client->flush; }
sub event { my ($type, $object) = @_; return qq({"type":"$type","object":$object}\n); }
sub bookmark { my ($rv) = @_; return event('BOOKMARK', qq({"metadata":{"resourceVersion":"$rv"}})); }
sub error { my ($code, $reason) = @_; return event('ERROR', qq({"kind":"Status","code":$code,"reason":"$reason","message":"told so"})); }
sub end { print $client "0\r\n\r\n"; }
sub hang { sleep 3600; }

sub set_token { my ($text) = @_; open my $f, '>', "$folder/token" or die; print $f $text; close $f; }

# How often something was asked in this story, this time included.
sub count {
    my ($what) = @_;
    open my $f, '+>>', "$folder/$story.$what" or die;
    flock $f, LOCK_EX;
    syswrite $f, 'x';
    return -s $f;
}

my %watches = (
    split => sub {
        my ($n) = @_;
        stream();
        if ($n == 1) {
            my $text = event('ADDED', object('b', 11)) . event('MODIFIED', object('a', 12)) . event('DELETED', object('b', 13));
            for (my $at = 0; $at < length $text; $at += 7) { chunk(substr $text, $at, 7); }
            chunk(bookmark(40));
            end();
        } else {
            chunk(event('ADDED', object('c', 41)));
            hang();
        }
    },
    gone => sub {
        my ($n) = @_;
        stream();
        if ($n == 1) { chunk(event('ADDED', object('b', 11)) . error(410, 'Expired')); end(); }
        else { hang(); }
    },
    error => sub {
        my ($n) = @_;
        stream();
        if ($n == 1) { chunk(error(500, 'InternalError')); end(); }
        else { chunk(event('ADDED', object('b', 11))); hang(); }
    },
    busy => sub {
        my ($n) = @_;
        return status(429, 'TooManyRequests', 'slow down', 'Retry-After: 1') if $n == 1;
        stream();
        chunk(event('ADDED', object('b', 11)));
        hang();
    },
    cut => sub {
        my ($n) = @_;
        stream();
        if ($n == 1) { chunk(event('ADDED', object('b', 11)) . '{"type":"ADD'); }
        else { chunk(event('ADDED', object('c', 12))); hang(); }
    },
    dead => sub { stream(); hang(); },
    slow => sub {
        stream();
        sleep 1.2;
        chunk(bookmark(20));
        sleep 0.3;
        chunk(event('ADDED', object('b', 21)));
        hang();
    },
    huge => sub {
        my ($n) = @_;
        stream();
        if ($n == 1) { for (1 .. 5) { chunk('x' x 1048576); } end(); }
        else { chunk(event('ADDED', object('b', 11))); hang(); }
    },
    garbage => sub { stream(); chunk("nonsense\n"); hang(); },
    stale => sub {
        my ($n) = @_;
        return status(401, 'Unauthorized', 'no') if $n == 1;
        stream();
        chunk(event('ADDED', object('b', 11)));
        hang();
    },
    brief => sub { stream(); end(); },
    pages => sub { stream(); hang(); },
    fat => sub { stream(); hang(); },
);

my %stories = (
    ok    => sub { answer(200, '{"fine":true}'); },
    login => sub { # "horse"
        my ($path) = @_;
        my $hosts = $path =~ m{/secrets/bound$} ? '"sluice.dev/host":"orders.db.example.com:5432, *.replica.example.com",' : '';
        answer(200, qq({"metadata":{"annotations":{$hosts"other.dev/host":"x"},"labels":{"sluice.dev/host":"y"}},"data":{"password":"aG9yc2U="}}));
    },
    retry => sub { count('n') <= 2 ? status(429, 'TooManyRequests', 'slow', 'Retry-After: 1') : answer(200, '{"fine":true}'); },
    down  => sub { count('n') <= 1 ? status(503, 'ServiceUnavailable', 'down', 'Retry-After: 1') : answer(200, '{"fine":true}'); },
    broken => sub { status(500, 'InternalError', 'broken'); },
    lost  => sub { count('n') > 1 and answer(200, '{"fine":true}'); },
    html  => sub { answer(200, '<html>sign in</html>'); },
    moved => sub { answer(302, '', "Location: http://127.0.0.1:$port/ok/x"); },
    silent => sub { hang(); },
    token => sub {
        my ($path, $login) = @_;
        return answer(200, '{"fine":true}') if $login eq 'Bearer new';
        set_token('new');
        status(401, 'Unauthorized', 'no');
    },
    exec => sub {
        my ($path, $login) = @_;
        $login eq 'Bearer run-2' ? answer(200, '{"fine":true}') : status(401, 'Unauthorized', 'no');
    },
    never => sub { status(401, 'Unauthorized', 'no'); },
    denied => sub { status(403, 'Forbidden', 'jobs is forbidden: User x cannot list'); },
);

# Thirty objects of 1.4 MiB, and in their middle one that no page has room for.
sub fat {
    my ($path) = @_;
    my ($limit) = $path =~ /limit=(\d+)/;
    my $from = $path =~ /continue=(\d+)/ ? $1 : 0;
    my $to = $from + $limit < 31 ? $from + $limit : 31;
    my @objects = map {
        my $bytes = $headers{accept} =~ /PartialObjectMetadata/ ? 1 : $_ == 12 ? 20 << 20 : 1400 << 10;
        sprintf '{"metadata":{"name":"o%02d","namespace":"ns","resourceVersion":"%d"},"spec":"%s"}', $_, $_ + 1, 'x' x $bytes;
    } $from .. $to - 1;
    list(40, $to < 31 ? $to : '', @objects);
}

sub lists {
    my ($path) = @_;
    my $n = count('lists');
    if ($story eq 'gone') {
        return list(10, '', object('a', 5)) if $n == 1;
        return status(410, 'Expired', 'too old') if $path =~ /resourceVersion=11/;
        return list(50, '', object('c', 45), object('b', 11));
    }
    return fat($path) if $story eq 'fat';
    if ($story eq 'pages') {
        return $n == 1 ? status(410, 'Expired', 'stale token') : list(10, '', object('c', 3)) if $path =~ /continue=tok%20en/;
        return list(10, 'tok en', object('b', 2), object('a', 1)) if $path =~ /limit=/;
    }
    list(10, '', object('a', 5));
}

sub serve {
    my $line = <$client> // exit;
    my ($method, $path) = split ' ', $line;
    %headers = (authorization => '', 'user-agent' => '', 'content-length' => 0, accept => '');
    while (defined($line = <$client>) && $line !~ /^\r?\n$/) {
        $headers{lc $1} = $2 if $line =~ /^([^:]+): *(.*?)\r?\n/;
    }
    read $client, my $body, $headers{'content-length'};
    ($story) = $path =~ m{^/([a-z]+)/};
    open my $log, '>>', "$folder/$story.log" or die;
    syswrite $log, "$method $path | $headers{authorization} | $headers{'user-agent'} | $body\n";
    close $log;
    if ($watches{$story}) { $path =~ /[?&]watch=1/ ? $watches{$story}->(count('watches')) : lists($path); }
    else { $stories{$story}->($path, $headers{authorization}); }
}

# Stories that hang go on after their client: they end with the server.
my %children;
$SIG{TERM} = sub {
    kill 'TERM', keys %children;
    waitpid $_, 0 for keys %children;
    exit;
};
while ($client = $server->accept) {
    while ((my $ended = waitpid -1, WNOHANG) > 0) { delete $children{$ended}; }
    my $pid = fork // die;
    if ($pid == 0) {
        $SIG{TERM} = 'DEFAULT';
        close $server;
        alarm 120;
        serve();
        exit;
    }
    $children{$pid} = 1;
    close $client;
}
