#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
# The circles of a graph, one a line, its members sorted: reads lines "from to"; with -v each circle
# is followed by its edges. A circle: a largest set of nodes in which each reaches each other one.
use strict;
use warnings;

my $verbose = @ARGV && $ARGV[0] eq '-v';
shift @ARGV if $verbose;
my %to;
while (<>) {
    my ($from, $to, @why) = split;
    next if !defined $to || $from eq $to;
    $to{$from}{$to} = join ' ', @why;
    $to{$to} //= {};
}

# Tarjan's strongly connected components.
my (%index, %low, %on, @stack, @circles);
my $next = 0;

sub visit {
    my ($node) = @_;
    $index{$node} = $low{$node} = $next++;
    push @stack, $node;
    $on{$node} = 1;
    for my $other (sort keys %{ $to{$node} }) {
        if (!defined $index{$other}) {
            visit($other);
            $low{$node} = $low{$other} if $low{$other} < $low{$node};
        } elsif ($on{$other} && $index{$other} < $low{$node}) {
            $low{$node} = $index{$other};
        }
    }
    return if $low{$node} != $index{$node};
    my @members;
    while (1) {
        my $member = pop @stack;
        $on{$member} = 0;
        push @members, $member;
        last if $member eq $node;
    }
    push @circles, [sort @members] if @members > 1;
    return;
}

no warnings 'recursion';
for my $node (sort keys %to) { visit($node) if !defined $index{$node}; }
for my $circle (sort { "@$a" cmp "@$b" } @circles) {
    print "@$circle\n";
    next if !$verbose;
    for my $from (@$circle) {
        for my $to (@$circle) {
            print "    $from -> $to $to{$from}{$to}\n" if exists $to{$from}{$to};
        }
    }
}
