#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
# Saved MigrationPlans against the rules that those who wait for conditions rely on
# (docs/reference/migrationplan.md 2): what is wrong with a status, a line each.
#
#   status-rules.pl [--list] FILE…
#
#   FILE     objects in JSON, one after the other, as `kubectl get -o json` and its -w print them
#   --list   instead: a line an object, in the order of the files: generation, observedGeneration,
#            the conditions that are True or Unknown ("Ready?" is Unknown), reason of Ready
#
# Code: 0 nothing wrong, 1 something is, 2 no such file, no JSON, no object.
use strict;
use warnings;
use JSON::PP ();

my $list = @ARGV && $ARGV[0] eq '--list' && shift @ARGV;
die "usage: status-rules.pl [--list] FILE...\n" if !@ARGV;

my $failures = 0;
my $reason_form = qr/^[A-Za-z](?:[A-Za-z0-9_,:]*[A-Za-z0-9_])?\z/;
my $time_form = qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z\z/;
my %only_when_true = map { $_ => 1 } qw(Reconciling Stalled Waiting Finished);

sub bad_condition {
    my ($c, $generation) = @_;
    my $type = $c->{type} // '(no type)';
    my @bad;
    push @bad, "its status is $c->{status}" if ($c->{status} // '') !~ /^(?:True|False|Unknown)\z/;
    push @bad, 'it has no reason in the right form' if ($c->{reason} // '') !~ $reason_form || length $c->{reason} > 1024;
    push @bad, 'it has no message' if !defined $c->{message};
    push @bad, 'its message is too long' if length($c->{message} // '') > 32768;
    push @bad, 'it has no lastTransitionTime' if ($c->{lastTransitionTime} // '') !~ $time_form;
    push @bad, 'it has no observedGeneration' if !defined $c->{observedGeneration};
    push @bad, 'it has seen a generation that is not there' if ($c->{observedGeneration} // 0) > $generation;
    push @bad, "it is there, but $c->{status}" if $only_when_true{$type} && $c->{status} ne 'True';
    return map { "$type: $_" } @bad;
}

# Which conditions exclude or demand each other.
sub bad_together {
    my ($is, $by, $status) = @_;
    my $observed = $status->{observedGeneration};
    my ($ready, $busy, $stalled) = ($is->('Ready'), $is->('Reconciling') eq 'True', $is->('Stalled') eq 'True');
    my @bad;
    push @bad, 'Ready is missing' if $ready eq '';
    push @bad, 'Reconciling and Stalled' if $busy && $stalled;
    push @bad, 'Ready is True beside Reconciling' if $ready eq 'True' && $busy;
    push @bad, 'Ready is True beside Stalled' if $ready eq 'True' && $stalled;
    push @bad, 'Ready is Unknown without Reconciling' if $ready eq 'Unknown' && !$busy;
    push @bad, 'Ready is False without Reconciling and Stalled' if $ready eq 'False' && !$busy && !$stalled;
    push @bad, "Ready says $by->{Ready}{reason}, Stalled $by->{Stalled}{reason}"
        if $stalled && $ready ne '' && $by->{Ready}{reason} ne $by->{Stalled}{reason};
    push @bad, 'Waiting without Reconciling' if $is->('Waiting') && !$busy;
    if (my $finished = $by->{Finished}) {
        push @bad, "Finished says $finished->{reason}" if $finished->{reason} !~ /^(?:Succeeded|Failed)\z/;
        push @bad, 'the message of Finished does not begin with a commit'
            if $status->{lastAttemptedCommit} && $finished->{message} !~ /^[0-9a-f]{40,64}: /;
    }
    if ($ready eq 'True') {
        push @bad, "Ready is True, but $_ speaks of another generation"
            for grep { ($by->{$_}{observedGeneration} // -1) != $observed } sort keys %$by;
    }
    return @bad;
}

sub bad_object {
    my ($object) = @_;
    my ($generation, $status) = ($object->{metadata}{generation}, $object->{status});
    return 'it is no MigrationPlan' if ($object->{kind} // '') ne 'MigrationPlan' || !defined $generation;
    my $observed = $status->{observedGeneration};
    return 'status has no observedGeneration: kstatus would take it for done' if !defined $observed;
    my @conditions = @{$status->{conditions} // []};
    if ($observed == -1) { return @conditions ? 'conditions though nobody has seen it' : () }
    my (%by, @bad);
    push @bad, 'observedGeneration is beyond generation' if $observed > $generation;
    for my $condition (@conditions) {
        my $type = $condition->{type} // '';
        push @bad, "$type is there twice" if $by{$type};
        $by{$type} = $condition;
        push @bad, bad_condition($condition, $generation);
    }
    my $is = sub { $by{$_[0]} ? $by{$_[0]}{status} // '' : '' };
    push @bad, bad_together($is, \%by, $status) if !@bad;
    return @bad;
}

# Finished of a later generation may only come with an end: else `kubectl wait` would take the last one
# for this one. The objects of a file are told in the order in which they were.
my %finished_of;

sub bad_next {
    my ($object) = @_;
    my %by = map { ($_->{type} // '') => $_ } @{$object->{status}{conditions} // []};
    my ($uid, $speaks_of) = ($object->{metadata}{uid} // '', $by{Finished}{observedGeneration} // -1);
    my $moved = $speaks_of > ($finished_of{$uid} // -1);
    $finished_of{$uid} = $speaks_of if $moved;
    return () if !$moved || $by{Stalled} || ($by{Ready}{status} // '') eq 'True';
    return "Finished speaks of generation $speaks_of, whose roll-out has not ended";
}

sub line_of {
    my ($object) = @_;
    my $status = $object->{status};
    my %by = map { $_->{type} => $_ } @{$status->{conditions} // []};
    my %mark = (True => '', Unknown => '?');
    my @holding = map { "$_->{type}$mark{$_->{status}}" } grep { exists $mark{$_->{status}} } @{$status->{conditions} // []};
    push @holding, 'deleting' if $object->{metadata}{deletionTimestamp};
    return join ' ', $object->{metadata}{generation} // '-', $status->{observedGeneration} // '-',
        join(',', @holding) || '-', $by{Ready} ? $by{Ready}{reason} : '-';
}

for my $file (@ARGV) {
    open my $in, '<:raw', $file or do { warn "$file: $!\n"; exit 2 };
    my $text = do { local $/; <$in> };
    my $parser = JSON::PP->new->utf8;
    my $number = 0;
    # Whole objects only: a watch that was ended may have been writing one.
    my @objects = eval { $parser->incr_parse($text) };
    if ($@ || !@objects) { warn "$file: ", $@ || "no object\n"; exit 2 }
    for my $object (@objects) {
        $number++;
        if ($list) { print line_of($object), "\n"; next }
        my @bad = (bad_object($object), bad_next($object));
        print $file, @objects > 1 ? " ($number)" : '', ": $_\n" for @bad;
        $failures += @bad;
    }
}
exit($failures ? 1 : 0);
