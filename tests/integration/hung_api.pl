#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# An API server for one controller: PORT FOLDER GOOD HUNG ROUNDS. It has GOOD plans in four namespaces, and
# HUNG in as many: hung1 and so on. When FOLDER/hang is there, whatever concerns these is answered after 30 s: reads and
# lists of Secrets, writes of status. The plans are changed in turn, every good one ROUNDS times, and the time from the change to the
# status that knows of it is measured; FOLDER/go begins a series, FOLDER/passes has its times in ms at its end.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use JSON::PP;
use MIME::Base64;
use Time::HiRes 'time';

my ($port, $folder, $good, $hung, $rounds) = @ARGV;
$SIG{PIPE} = 'IGNORE';
my $json = JSON::PP->new->canonical;
my $listen = IO::Socket::INET->new(LocalHost => '127.0.0.1', LocalPort => $port, Listen => 128, ReuseAddr => 1, Blocking => 0)
    or die "listen: $!";
my $select = IO::Select->new($listen);
my (%input, %plans, @order, @late, @times, %changed);
my %watchers;    # socket -> collection
my $rv = 100;

sub plan {
    my ($ns, $name, $spec) = @_;
    $plans{"$ns/$name"} = {
        apiVersion => 'sluice.dev/v1alpha1', kind => 'MigrationPlan',
        metadata => { name => $name, namespace => $ns, uid => "uid-$ns-$name", generation => 1, resourceVersion => '' . ++$rv,
                      creationTimestamp => '2026-01-01T00:00:00Z', finalizers => ['sluice.dev/migration'] },
        spec => $spec };
}
sub spec {
    my ($ns) = @_;
    return { source => { url => "http://127.0.0.1:1/$ns.git", paths => ['sql'], interval => '1m', secretRef => { name => 'git' },
                         webhook => { secretRef => { name => 'hook' } } },
             databases => [ { name => 'db', secretRef => { name => 'db' } } ] };
}
for my $i (1 .. $good) {
    my $ns = 'good' . $i % 4;
    plan($ns, "p$i", spec($ns));
    push @order, "$ns/p$i";
}
for my $i (1 .. $hung) {
    my $spec = spec("hung$i");
    if ($i % 3 == 0) {    # a fleet: its Secrets are listed
        delete $spec->{databases};
        $spec->{databaseSelector} = { matchLabels => { a => 'b' } };
    }
    plan("hung$i", "h$i", $spec);
}

sub hangs { return -e "$folder/hang" }
sub answer {
    my ($client, $code, $body) = @_;
    my $text = ref $body ? $json->encode($body) : $body;
    my $all = "HTTP/1.1 $code X\r\nContent-Type: application/json\r\nContent-Length: " . length($text) . "\r\n\r\n$text";
    while (length $all) {
        my $n = syswrite $client, $all;
        if (!defined $n) { IO::Select->new($client)->can_write(1); next if $!{EAGAIN}; return drop($client); }
        substr $all, 0, $n, '';
    }
}
sub later { my ($client, @rest) = @_; push @late, [time + 30, $client, @rest]; }
sub drop { my ($client) = @_; $select->remove($client); delete $input{$client}; delete $watchers{$client}; close $client; }
sub failure { my ($code, $reason) = @_; return { kind => 'Status', apiVersion => 'v1', code => $code, reason => $reason, message => "test: $reason" }; }
sub chunk {
    my ($client, $event) = @_;
    my $text = $json->encode($event) . "\n";
    syswrite $client, sprintf("%x\r\n%s\r\n", length $text, $text);
}
sub tell_plan {
    my ($type, $plan) = @_;
    for my $entry (values %watchers) { chunk($entry->[0], { type => $type, object => $plan }) if $entry->[1] eq 'migrationplans'; }
}

sub write_status {
    my ($client, $key, $body) = @_;
    my $plan = $plans{$key} or return answer($client, 404, failure(404, 'NotFound'));
    my $status = $json->decode($body)->{status};
    $plan->{status} = $status;
    $plan->{metadata}{resourceVersion} = '' . ++$rv;
    answer($client, 200, $plan);
    tell_plan('MODIFIED', $plan);
    if (exists $changed{$key} && ($status->{observedGeneration} // 0) >= $plan->{metadata}{generation}) {
        push @times, (time - delete $changed{$key}) * 1000;
    }
}

sub request {
    my ($client, $method, $path, $body) = @_;
    my ($plain, $query) = split /\?/, $path, 2;
    $query //= '';
    if ($query =~ /watch=(1|true)/) {
        my ($collection) = $plain =~ m{([a-z]+)$};
        syswrite $client, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        $watchers{$client} = [ $client, $collection ];
        return chunk($client, { type => 'BOOKMARK', object => { metadata => { resourceVersion => "$rv", annotations => { 'k8s.io/initial-events-end' => 'true' } } } });
    }
    if ($plain =~ m{/(migrationplans|jobs|pods|configmaps)$} && $method eq 'GET') {
        my @items = $1 eq 'migrationplans' ? map { $plans{$_} } sort keys %plans : ();
        return answer($client, 200, { kind => 'List', apiVersion => 'v1', metadata => { resourceVersion => "$rv" }, items => \@items });
    }
    if ($plain =~ m{/namespaces/([^/]+)/secrets(?:/([^/]+))?$}) {
        my ($ns, $name) = ($1, $2);
        return later($client, 504, failure(504, 'Timeout')) if $ns =~ /^hung/ && hangs();
        return answer($client, 200, { kind => 'List', apiVersion => 'v1', metadata => { resourceVersion => "$rv" }, items => [] }) if !$name;
        my %data = $name eq 'hook' ? (token => 'right') : $name eq 'git' ? (username => 'a', password => 'b')
            : (uri => 'postgresql://a:b@127.0.0.1:1/x?sslmode=disable');
        return answer($client, 200, { kind => 'Secret', apiVersion => 'v1', metadata => { name => $name, namespace => $ns },
            data => { map { $_ => encode_base64($data{$_}, '') } keys %data } });
    }
    if ($plain =~ m{/namespaces/([^/]+)/migrationplans/([^/]+)/status$}) {
        my $key = "$1/$2";
        return later($client, 504, failure(504, 'Timeout')) if $key =~ /^hung/ && hangs();
        return write_status($client, $key, $body);
    }
    if ($plain =~ m{/namespaces/([^/]+)/migrationplans/([^/]+)$} && $plans{"$1/$2"}) {
        return answer($client, 200, $plans{"$1/$2"});
    }
    return answer($client, 201, $body) if $method eq 'POST' || $method eq 'PATCH';
    return answer($client, 404, failure(404, 'NotFound'));
}

sub take_requests {
    my ($client) = @_;
    while (exists $input{$client} && $input{$client} =~ /\A(\S+) (\S+) HTTP\/1\.1\r\n(.*?)\r\n\r\n/s) {
        my ($method, $path, $headers, $head) = ($1, $2, $3, $+[0]);
        my ($length) = $headers =~ /content-length: *(\d+)/i;
        $length //= 0;
        if ($headers =~ /expect: *100/i && length($input{$client}) == $head) { syswrite $client, "HTTP/1.1 100 Continue\r\n\r\n"; }
        return if length($input{$client}) < $head + $length;
        my $body = substr $input{$client}, $head, $length;
        substr $input{$client}, 0, $head + $length, '';
        request($client, $method, $path, $body);
    }
}

# One change every 20 ms, of one plan after the other; a hung one in between, so that its passes go on, too.
my ($left, $next, $turn) = (0, 0, 0);
sub change {
    if (!$left && -e "$folder/go") { unlink "$folder/go"; $left = $rounds * @order; @times = (); %changed = (); }
    return if !$left || time < $next;
    $next = time + 0.02;
    my @keys = ($order[$turn % @order]);
    my $i = 1 + $turn % $hung;
    push @keys, "hung$i/h$i";
    if (exists $changed{$keys[0]}) { return if keys %changed == @order; $turn++; return; }
    $turn++;
    for my $key (@keys) {
        my $plan = $plans{$key};
        $plan->{metadata}{generation}++;
        $plan->{metadata}{resourceVersion} = '' . ++$rv;
        $changed{$key} = time if $key !~ /^hung/;
        tell_plan('MODIFIED', $plan);
    }
    $left--;
}
sub report {
    return if $left || !@times || keys %changed;
    open my $out, '>', "$folder/passes.new" or die;
    print $out join("\n", map { sprintf '%.1f', $_ } @times), "\n";
    close $out;
    rename "$folder/passes.new", "$folder/passes";
    @times = ();
}

while (1) {
    for my $ready ($select->can_read(0.005)) {
        if ($ready == $listen) {
            while (my $client = $listen->accept) { $client->blocking(0); $input{$client} = ''; $select->add($client); }
            next;
        }
        my $got = sysread $ready, my $bytes, 65536;
        if (!$got) { drop($ready) if defined $got || !$!{EAGAIN}; next; }
        $input{$ready} .= $bytes;
        take_requests($ready);
    }
    change();
    report();
    while (@late && $late[0][0] <= time) { my ($at, @rest) = @{ shift @late }; answer(@rest) if exists $input{$rest[0]}; }
}
