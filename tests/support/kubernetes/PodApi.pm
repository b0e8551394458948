# SPDX-License-Identifier: Apache-2.0
# The API server for pod_runner.pl, through the Unix socket of a kubectl proxy, which has the
# credentials and the TLS.
#
#   my $api = PodApi->new($socket);
#   my ($code, $answer) = $api->call('GET', '/api/v1/nodes');         one answer, decoded; code 0: none
#   $api->watch('/api/v1/pods?…', sub { my ($object) = @_; … });      a list, then its changes, for ever
#   $api->turn(0.05);                          what has come in since, or waits so long for something
package PodApi;
use strict;
use warnings;
use Errno qw(EAGAIN EINTR);
use IO::Select;
use IO::Socket::UNIX;
use JSON::PP;

my $json = JSON::PP->new->utf8->canonical;

sub new {
    my ($class, $socket) = @_;
    return bless { socket => $socket, retry => 0 }, $class;
}

# HTTP/1.0: the answer ends with the connection, and a stream has no chunks.
sub request {
    my ($self, $method, $path, $body, $type) = @_;
    my $stream = IO::Socket::UNIX->new(Peer => $self->{socket}, Timeout => 5) or return;
    my $text = defined $body ? $json->encode($body) : '';
    my $head = "$method $path HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\n";
    $head .= 'Content-Type: ' . ($type // 'application/json') . "\r\nContent-Length: " . length($text) . "\r\n"
        if defined $body;
    print $stream "$head\r\n$text" or return;
    $stream->flush;
    return $stream;
}

sub call {
    my ($self, @request) = @_;
    my $stream = $self->request(@request) or return (0, undef);
    my $answer = do { local $/; <$stream> };
    return (0, undef) unless defined $answer && $answer =~ m{\AHTTP/1\.\d (\d+).*?\r\n\r\n(.*)\z}s;
    my $code = $1;
    return ($code, eval { $json->decode($2) });
}

sub watch {
    my ($self, $path, $changed) = @_;
    @$self{qw(path changed)} = ($path, $changed);
    return $self->list;
}

# The list is told as changes, too; what is gone meanwhile is told as DELETED by the one who keeps them.
sub list {
    my ($self) = @_;
    my ($code, $list) = $self->call('GET', $self->{path});
    return $self->{retry} = time + 1 unless $code == 200;
    $self->{changed}->('LISTED', $list->{items});
    $self->{stream} = $self->request('GET',
        "$self->{path}&watch=1&allowWatchBookmarks=true&resourceVersion=$list->{metadata}{resourceVersion}")
        or return $self->{retry} = time + 1;
    $self->{stream}->blocking(0);
    $self->{pending} = '';
    $self->{headers} = 1;
    return 1;
}

sub turn {
    my ($self, $seconds) = @_;
    unless ($self->{stream}) {
        select undef, undef, undef, $seconds;
        $self->list if time >= $self->{retry};
        return;
    }
    return unless IO::Select->new($self->{stream})->can_read($seconds);
    my $got = sysread $self->{stream}, $self->{pending}, 65536, length $self->{pending};
    if (!defined $got) {
        return if $! == EAGAIN || $! == EINTR;
        $got = 0;
    }
    $self->{headers} = 0 if $self->{headers} && $self->{pending} =~ s/\A.*?\r\n\r\n//s;
    while (!$self->{headers} && $self->{pending} =~ s/\A([^\n]*)\n//) {
        my $event = $json->decode($1);
        if ($event->{type} eq 'ERROR') { $got = 0; last }
        $self->{changed}->($event->{type}, [ $event->{object} ]) if $event->{type} ne 'BOOKMARK';
    }
    delete $self->{stream} if $got == 0;
    return;
}

1;
