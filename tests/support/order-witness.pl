#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# What the servers themselves logged against the order that a story's roll-out had to keep. Shares
# nothing with the program.
#
#   order-witness.pl STORY ORDERS FILES LOG…
#
# LOG: a PostgreSQL log (log_statement=all, log_line_prefix="%n %p %d ") or MariaDB's general_log.CSV.
# Statements carry marks: 'mark:STORY:FILE' those of a migration, 'gate:STORY:NAME' a gate's query,
# 'answer:STORY:yes' or :no what the gates of that database say from then on (before the first: yes).
# FILES: a regular expression; the files of the roll-out, by their marks.
# ORDERS: what the story told the program, and when, a line each:
#
#   TIME first=N soak=SECONDS gate=NAME    in force from now on; gate=- is none
#   TIME since                             no soak and no answer from before counts
#   TIME free=DATABASE                     may have the files whenever it wants, and proves nothing
#   TIME left=DATABASE                     is no database of the plan any more: it proves nothing
#   TIME open                              AllAtOnce: so may everybody
#
# An edit may take a second to be seen.
# No more than N databases may have a statement of a file before there is one that has run the file, and
# whose last statement of FILES is as old as the soak, and which has then said yes to the gate, asked
# after that statement and after the last change of the order. Prints the databases that got a statement,
# the first one first, the others sorted; each fault on stderr, and the code is 1 then.
use strict;
use warnings;
use Text::ParseWords qw(parse_line);
use Time::Local qw(timegm);

my ($story, $orders_file, $files, @logs) = @ARGV;
my @events;    # [time, database, kind, name, failed]

sub add {
    my ($time, $database, $text) = @_;
    my @added;
    while ($text =~ /'(mark|gate|answer):\Q$story\E:([^']+)'/g) {
        my ($kind, $name) = ($1, $2);
        push @added, [$time, $database, $kind, $name, 0] if $kind ne 'mark' || $name =~ /^(?:$files)$/;
    }
    push @events, @added;
    return @added;
}

sub read_pg {
    my ($handle) = @_;
    my (%open, @line);    # per process: what it did since its transaction began
    my $end = sub {
        my ($time, $pid, $database, $level, $text) = @line or return;
        if ($level eq 'ERROR') { $_->[4] = 1 for @{$open{$pid} // []} }
        return if $level ne 'LOG' || $text !~ s/^\s*(?:statement|execute [^:]*): //;
        if ($text =~ /^(BEGIN|COMMIT)\b/i) { $open{$pid} = [] }
        push @{$open{$pid}}, add($time, $database, $text);
    };
    while (<$handle>) {
        if (/^\d/ && index($_, " ${story}_") < 0) { # another story's
            $end->();
            @line = ();
        } elsif (/^(\d+\.\d+) (\d+) (\S+) (\w+):  ?(.*)/s) {
            $end->();
            @line = ($1, $2, $3, $4, $5);
        } elsif (/^\t/ && @line) {
            $line[4] .= $_;
        }
    }
    $end->();
}

sub read_mariadb {
    my ($handle) = @_;
    my %database;    # per connection
    while (<$handle>) {
        index($_, $story) >= 0 or next;
        s/\\"/'/g;
        my ($time, undef, $thread, undef, $command, $text) = parse_line(',', 0, s/'/\0/gr);
        $text = ($text // '') =~ s/\0/'/gr;
        $time =~ /^(\d+)-(\d+)-(\d+) (\d+):(\d+):(\d+)(\.\d+)$/ or next;
        my $at = timegm($6, $5, $4, $3, $2 - 1, $1) + $7;
        if ($command eq 'Connect' && $text =~ / on (\S+) using/) { $database{$thread} = $1 }
        if ($command eq 'Init DB') { $database{$thread} = $text }
        add($at, $database{$thread} // '?', $text) if $command eq 'Query' || $command eq 'Execute';
    }
}

for my $log (@logs) {
    open my $handle, '<', $log or die "$log: $!\n";
    if ($log =~ /\.CSV$/) { read_mariadb($handle) } else { read_pg($handle) }
}
@events = sort { $a->[0] <=> $b->[0] } @events;

my (@orders, %free, %left);    # [time, settings]; when
open my $handle, '<', $orders_file or die "$orders_file: $!\n";
while (<$handle>) {
    my ($time, @words) = split;
    my %set = map { /=/ ? split(/=/, $_, 2) : ($_ => 1) } @words;
    if (exists $set{free}) { $free{"${story}_$set{free}"} = 1 }
    elsif (exists $set{left}) { $left{"${story}_$set{left}"} = $time }
    else { push @orders, [$time, \%set] }
}

# What was in force at a time: the settings, and since when soak and answers may count.
sub in_force {
    my ($time) = @_;
    my %now = (first => 1, soak => 0, gate => '-', since => 0, asked_since => 0, open => 0);
    for (grep { $_->[0] <= $time } @orders) {
        my ($at, $set) = @$_;
        if ($set->{since}) {
            $now{since} = $now{asked_since} = $at;
        } elsif ($set->{open}) {
            $now{open} = 1;
        } else {
            $now{asked_since} = $at if grep { $now{$_} ne $set->{$_} } qw(first soak gate);
            %now = (%now, %$set, open => 0);
        }
    }
    return \%now;
}

# Why a database proves nothing yet; '' when it does.
sub objection {
    my ($prover, $file, $time, $now) = @_;
    my @own = grep { $_->[2] eq 'mark' && $_->[1] eq $prover && $_->[0] < $time } @events;
    return 'has not run it' if !grep { $_->[3] eq $file && !$_->[4] } @own;
    return 'failed after it' if $own[-1][4];
    my $from = $own[-1][0] > $now->{since} ? $own[-1][0] : $now->{since};
    return sprintf 'soaked %.1f s of %s s', $time - $from, $now->{soak} if $time - $from < $now->{soak};
    return '' if $now->{gate} eq '-';
    my @asked = grep { $_->[2] eq 'gate' && $_->[1] eq $prover && $_->[0] < $time } @events;
    my $after = $from > $now->{asked_since} ? $from : $now->{asked_since};
    my ($last) = grep { $_->[3] eq $now->{gate} && $_->[0] > $after } reverse @asked;
    return "was not asked $now->{gate}" if !$last;
    # A question of the soak's last moment may have its answer behind it.
    return "was not asked $now->{gate} at the end of its soak" if $last->[0] < $from + $now->{soak} - 0.7;
    my @said = grep { $_->[2] eq 'answer' && $_->[1] eq $prover && $_->[0] < $last->[0] } @events;
    return @said && $said[-1][3] ne 'yes' ? "said no to $now->{gate}" : '';
}

my (%first, %started, @reached, $faults);    # first statement: of a file by database; of a database
for my $event (grep { $_->[2] eq 'mark' } @events) {
    my ($time, $database, undef, $file) = @$event;
    push @reached, $database if !$started{$database}++;
    next if $free{$database};
    $first{$file}{$database} //= $time;
    my $own = $first{$file}{$database};
    my @before = grep { $_ ne $database && $first{$file}{$_} < $own && ($left{$_} // 9e9) > $time }
        sort keys %{$first{$file}};
    my %why;
    my $may = sub {
        my ($now) = @_;
        return 1 if $now->{open} || @before < $now->{first};
        %why = map { $_ => objection($_, $file, $time, $now) } @before;
        return scalar grep { $_ eq '' } values %why;
    };
    next if $may->(in_force($time - 1)) || $may->(in_force($time));
    $faults++;
    print STDERR "$database ran $file at $time, but ", join('; ', map { "$_ $why{$_}" } @before), "\n";
}
s/^\Q$story\E_// for @reached;
print join(' ', @reached ? ($reached[0], sort @reached[1 .. $#reached]) : ()), "\n";
exit($faults ? 1 : 0);
