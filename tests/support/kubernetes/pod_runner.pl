#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
# Stands in for scheduler and kubelet where these will not do what a test wants, or cannot run: takes the
# pods of our Jobs, starts `sluice` as a plain process for each, and writes their status.
#
#   pod_runner.pl SOCKET FOLDER SLUICE
#
# SOCKET is a kubectl proxy's. FOLDER/NAMESPACE_POD/ has what a pod saw and said: volumes/, and for its
# N-th process N.log, N.message (the termination message) and, when it has ended, N.code. The process id
# of the first is in the status: containerID pod-runner://PID.
#
# Annotations of a pod make it misbehave, as a node can:
#   runner.test/twice: first|last    the container is started twice at once; the pod's end is that of the
#                                    first process to end (the other lives on), or of the last
#   runner.test/outlive: "true"      the process lives on when its pod is deleted: a node that is cut off;
#                                    of the pod is said what the pod garbage collector says then
#   runner.test/message: missing     there is no termination message
#   runner.test/message: oversized   it is longer than a node keeps: 4096 bytes of its end
#   runner.test/message: {JSON}      it is forged: these keys replace the runner's own
#   runner.test/exit-code: "N"       so is the exit code
#   runner.test/late: "SECONDS"      the end is told so much later
#   runner.test/arguments: WORDS     more arguments of the runner
#   runner.test/pending: "true"      the container never starts
# Not done, because our pods do not use it: networks, probes, init containers, limits, restarts.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use File::Path qw(make_path);
use JSON::PP;
use POSIX qw(WNOHANG strftime);
use Time::HiRes qw(time);
use PodApi;
use PodFiles;

my ($socket, $folder, $sluice) = @ARGV;
die "usage: pod_runner.pl SOCKET FOLDER SLUICE\n" unless defined $sluice;
my $NODE = 'pod-runner';
my $PODS = '/api/v1/pods?labelSelector=sluice.dev%2Fpart%3Drunner';
my $MESSAGE_MAX = 4096;
my $json = JSON::PP->new->utf8->canonical;
my $strategic = 'application/strategic-merge-patch+json';
my $api = PodApi->new($socket);
my %pods;         # by uid: what we know and did
my %process;      # by pid: [pod, its number]
my $heartbeat = 0;
my $ended = 0;

$| = 1;
$SIG{$_} = sub { $ended = 1 } for qw(TERM INT HUP);
$SIG{CHLD} = sub { };    # wakes the loop
$SIG{PIPE} = 'IGNORE';

sub say_line { printf "%s %s\n", strftime('%H:%M:%S', gmtime), join ' ', @_ }
sub moment { return strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $_[0]) }

# ---- the node ---------------------------------------------------------------------------------------

# Young enough, or the controllers would say that the node is lost.
sub beat {
    return if time - $heartbeat < 10;
    my $now = moment(time);
    my $node = { apiVersion => 'v1', kind => 'Node', metadata => { name => $NODE } };
    my %large = (cpu => '64', memory => '64Gi', pods => '10000', 'ephemeral-storage' => '64Gi');
    my $status = { status => { capacity => \%large, allocatable => \%large, conditions => [
        { type => 'Ready', status => 'True', reason => 'PodRunner', message => 'processes, not containers',
            lastHeartbeatTime => $now } ] } };
    my $path = "/api/v1/nodes/$NODE";
    my ($code) = $api->call('PATCH', "$path/status", $status, $strategic);
    if ($code == 404) {
        $api->call('POST', '/api/v1/nodes', $node);
        ($code) = $api->call('PATCH', "$path/status", $status, $strategic);
    }
    $heartbeat = time if $code == 200;
    return;
}

sub selected {
    my ($pod) = @_;
    my $wanted = $pod->{object}{spec}{nodeSelector} or return 1;
    my ($code, $node) = $api->call('GET', "/api/v1/nodes/$NODE");
    my $labels = $code == 200 ? $node->{metadata}{labels} // {} : {};
    return !grep { ($labels->{$_} // '') ne $wanted->{$_} } keys %$wanted;
}

# ---- what a pod says of itself ----------------------------------------------------------------------

sub path_of { my $m = $_[0]{object}{metadata}; return "/api/v1/namespaces/$m->{namespace}/pods/$m->{name}" }
sub name_of { my $m = $_[0]{object}{metadata}; return "$m->{namespace}/$m->{name}" }
sub mode_of { return $_[0]{object}{metadata}{annotations}{"runner.test/$_[1]"} }

sub condition {
    my ($type, $true, $reason, $message) = @_;
    return { type => $type, status => $true ? 'True' : 'False', lastTransitionTime => moment(time),
        $reason ? (reason => $reason, message => $message) : () };
}

# put_status POD STATUS: true if the API server has it. Another pod of the same name is another pod.
sub put_status {
    my ($pod, $status) = @_;
    my ($code, $answer) = $api->call('PATCH', path_of($pod) . '/status',
        { metadata => { uid => $pod->{object}{metadata}{uid} }, status => $status }, $strategic);
    return 1 if $code == 200;
    if ($code == 404 || $code == 409) { # it is gone
        $pod->{gone} = 1;
        return 1;
    }
    say_line(name_of($pod), "its status was not taken: $code", $answer->{message} // '');
    $pod->{again} = time + 0.5;
    return 0;
}

sub container_status {
    my ($pod, $state) = @_;
    my $container = $pod->{object}{spec}{containers}[0];
    my $running = $state->{running} ? JSON::PP::true : JSON::PP::false;
    return [ { name => $container->{name}, image => $container->{image}, imageID => '', restartCount => 0,
        ready => $running, started => $running, state => $state,
        $pod->{processes} ? (containerID => "pod-runner://$pod->{processes}[0]{pid}") : () } ];
}

sub tell_waiting {
    my ($pod, $reason, $message) = @_;
    return if ($pod->{waiting} // '') eq "$reason$message";
    put_status($pod, { phase => 'Pending', startTime => moment($pod->{bound}),
        containerStatuses => container_status($pod, { waiting => { reason => $reason, message => $message } }) })
        and $pod->{waiting} = "$reason$message";
    return;
}

# ---- scheduler --------------------------------------------------------------------------------------

sub bind_pod {
    my ($pod) = @_;
    $pod->{again} = time + 0.5;
    unless (selected($pod)) {
        $pod->{unschedulable} //= put_status($pod, { conditions => [ condition('PodScheduled', 0, 'Unschedulable',
            "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.") ] });
        return;
    }
    my $meta = $pod->{object}{metadata};
    my ($code, $answer) = $api->call('POST', path_of($pod) . '/binding', { apiVersion => 'v1', kind => 'Binding',
        metadata => { name => $meta->{name}, uid => $meta->{uid} }, target => { kind => 'Node', name => $NODE } });
    return say_line(name_of($pod), "cannot be bound: $code", $answer->{message} // '') if $code != 201;
    $pod->{object}{spec}{nodeName} = $NODE;
    $pod->{again} = 0;
    return;
}

# ---- processes --------------------------------------------------------------------------------------

sub arguments {
    my ($pod, $number) = @_;
    my $container = $pod->{object}{spec}{containers}[0];
    my %paths = (%{ $pod->{paths} }, $container->{terminationMessagePath} => "$pod->{dir}/$number.message");
    return map {
        my $word = $_;
        for my $path (keys %paths) { last if $word =~ s{\A\Q$path\E(?=/|\z)}{$paths{$path}} }
        $word;
    } @{ $container->{args} // [] };
}

# An environment as bare as a container's; the mark of the test run, by which leftovers are found.
sub start_process {
    my ($pod, $number) = @_;
    my @command = ($sluice, arguments($pod, $number), split ' ', mode_of($pod, 'arguments') // '');
    PodFiles::spill("$pod->{dir}/$number.message", '', 0600);
    my $pid = fork // die "fork: $!\n";
    if ($pid == 0) {
        my $tmp = $pod->{paths}{'/tmp'} // $pod->{dir};
        %ENV = (PATH => $ENV{PATH}, HOME => $tmp, TMPDIR => $tmp,
            map { $_ => $ENV{$_} } grep { defined $ENV{$_} } qw(SLUICE_TEST_RUN ASAN_OPTIONS));
        $SIG{$_} = 'DEFAULT' for qw(TERM INT HUP CHLD PIPE);
        POSIX::setsid();
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$pod->{dir}/$number.log";
        open STDERR, '>&', \*STDOUT;
        chdir '/';
        exec 'setpriv', '--pdeathsig', 'KILL', '--', @command or POSIX::_exit(127);
    }
    $process{$pid} = [ $pod, $number ];
    return { pid => $pid, started => time };
}

sub begin {
    my ($pod) = @_;
    my $container = $pod->{object}{spec}{containers}[0];
    $pod->{bound} //= time;
    $pod->{again} = time + 0.2;
    make_path($pod->{dir});
    return tell_waiting($pod, 'CreateContainerError', 'a test wants it to wait') if mode_of($pod, 'pending');
    return tell_waiting($pod, 'CreateContainerError', 'only the image\'s own command can be run') if $container->{command};
    unless (eval { PodFiles::mount($api, $pod); 1 }) {
        chomp(my $why = $@);
        return tell_waiting($pod, 'ContainerCreating', $why);
    }
    $pod->{processes} = [ map { start_process($pod, $_) } 1 .. (mode_of($pod, 'twice') ? 2 : 1) ];
    $pod->{again} = 0;
    say_line(name_of($pod), 'runs as', map { $_->{pid} } @{ $pod->{processes} });
    return;
}

sub reap {
    while ((my $pid = waitpid -1, WNOHANG) > 0) {
        my ($pod, $number) = @{ delete $process{$pid} // next };
        my $code = $? & 127 ? 128 + ($? & 127) : $? >> 8;
        my $own = $pod->{processes}[ $number - 1 ];
        @$own{qw(ended code number)} = (time, $code, $number);
        PodFiles::spill("$pod->{dir}/$number.code", "$code\n");
        say_line(name_of($pod), "process $number ended with $code");
    }
    return;
}

sub message_of {
    my ($pod, $process) = @_;
    my $own = PodFiles::slurp("$pod->{dir}/$process->{number}.message");
    my $mode = mode_of($pod, 'message') // return $own;
    return '' if $mode eq 'missing';
    return 'x' x $MESSAGE_MAX . $own . 'x' x ($MESSAGE_MAX / 2) if $mode eq 'oversized';
    my $said = $own ne '' ? $json->decode($own)
        : { format => 1, attempt => 0 + $pod->{object}{metadata}{labels}{'sluice.dev/attempt'} };
    return $json->encode({ %$said, %{ $json->decode($mode) } });
}

# The process whose end is the pod's end; nothing while it is not over.
sub verdict {
    my ($pod) = @_;
    my @over = sort { $a->{ended} <=> $b->{ended} } grep { $_->{ended} } @{ $pod->{processes} };
    my $needed = (mode_of($pod, 'twice') // '') eq 'first' ? 1 : @{ $pod->{processes} };
    return @over < $needed ? undef : $over[ $needed - 1 ];
}

sub signal_all {
    my ($pod, $signal) = @_;
    kill $signal, map { $_->{pid} } grep { !$_->{ended} } @{ $pod->{processes} // [] };
    return;
}

# end POD GRACE: SIGTERM now, SIGKILL when the time is over. A shorter time counts, a longer one does not.
sub end {
    my ($pod, $grace) = @_;
    my $until = time + ($grace < 1 ? 1 : $grace);
    signal_all($pod, 'TERM') unless $pod->{kill_at};
    $pod->{kill_at} = $until if !$pod->{kill_at} || $until < $pod->{kill_at};
    return;
}

sub tell_end {
    my ($pod, $process) = @_;
    my $code = mode_of($pod, 'exit-code') // $process->{code};
    my $message = message_of($pod, $process);
    $message = substr $message, -$MESSAGE_MAX if length $message > $MESSAGE_MAX;
    utf8::decode($message);
    my %end = (exitCode => 0 + $code, reason => $code == 0 ? 'Completed' : 'Error',
        startedAt => moment($process->{started}), finishedAt => moment($process->{ended}),
        $message ne '' ? (message => $message) : ());
    return put_status($pod, { phase => $code == 0 && !$pod->{too_long} ? 'Succeeded' : 'Failed',
        $pod->{too_long} ? (reason => 'DeadlineExceeded', message => 'Pod was active on the node longer than the'
            . ' specified deadline') : (),
        conditions => [ map { condition($_, 0, 'PodCompleted', '') } qw(Ready ContainersReady) ],
        containerStatuses => container_status($pod, { terminated => \%end }) });
}

# ---- one pod ----------------------------------------------------------------------------------------

sub watch_over {
    my ($pod) = @_;
    my $spec = $pod->{object}{spec};
    my $grace = $pod->{object}{metadata}{deletionGracePeriodSeconds} // $spec->{terminationGracePeriodSeconds} // 30;
    if ($spec->{activeDeadlineSeconds} && time - $pod->{bound} >= $spec->{activeDeadlineSeconds} && !$pod->{too_long}) {
        $pod->{too_long} = 1;
        end($pod, $grace);
    }
    end($pod, $grace) if $pod->{deleted};
    signal_all($pod, 'KILL') if $pod->{kill_at} && time >= $pod->{kill_at};
    my $over = verdict($pod);
    if (!$over) {
        $pod->{told} //= put_status($pod, { phase => 'Running', startTime => moment($pod->{bound}),
            conditions => [ map { condition($_, 1) } qw(Initialized Ready ContainersReady) ],
            containerStatuses => container_status($pod, { running => { startedAt => moment($pod->{processes}[0]{started}) } }) })
            || undef;
    } elsif (time >= $over->{ended} + (mode_of($pod, 'late') // 0)) {
        $pod->{over} = tell_end($pod, $over);
    }
    return;
}

sub step {
    my ($uid, $pod) = @_;
    if ($pod->{deleted} && $pod->{processes} && mode_of($pod, 'outlive')) {
        say_line(name_of($pod), 'is deleted; its process lives on');
        put_status($pod, { phase => 'Failed', conditions => [ condition('DisruptionTarget', 1, 'DeletionByPodGC',
            'PodGC: node no longer exists') ] }) unless $pod->{gone};
        return delete $pods{$uid};
    }
    if ($pod->{gone}) {
        end($pod, 1) unless $pod->{over};
        signal_all($pod, 'KILL') if $pod->{kill_at} && time >= $pod->{kill_at};
        delete $pods{$uid} if $pod->{over} || !grep { !$_->{ended} } @{ $pod->{processes} // [] };
        return;
    }
    return if time < ($pod->{again} // 0);
    my $node = $pod->{object}{spec}{nodeName};
    return bind_pod($pod) unless $node || $pod->{deleted};
    return if ($node // '') ne $NODE;
    if (!$pod->{over} && !($pod->{deleted} && !$pod->{processes})) {
        return $pod->{processes} ? watch_over($pod) : begin($pod);
    }
    return unless $pod->{deleted} && !$pod->{removed};
    my $options = { apiVersion => 'v1', kind => 'DeleteOptions', gracePeriodSeconds => 0, preconditions => { uid => $uid } };
    my ($code) = $api->call('DELETE', path_of($pod), $options);
    $pod->{removed} = $code == 200 || $code == 404 || $code == 409;
    return;
}

sub changed {
    my ($type, $objects) = @_;
    my %there;
    for my $object (@$objects) {
        my $uid = $object->{metadata}{uid};
        $there{$uid} = 1;
        next if !$pods{$uid} && ($type eq 'DELETED' || $object->{spec}{nodeName});
        my $pod = $pods{$uid} //= { dir => "$folder/$object->{metadata}{namespace}_$object->{metadata}{name}" };
        $pod->{object} = $object;
        $pod->{deleted} ||= $type eq 'DELETED' || $object->{metadata}{deletionTimestamp};
        $pod->{gone} ||= $type eq 'DELETED';
    }
    return if $type ne 'LISTED';
    for my $uid (grep { !$there{$_} } keys %pods) { @{ $pods{$uid} }{qw(deleted gone)} = (1, 1) }
    return;
}

beat();
$api->watch($PODS, \&changed);
until ($ended) {
    beat();
    $api->turn(0.05);
    reap();
    step($_, $pods{$_}) for keys %pods;
}
kill 'KILL', keys %process;
