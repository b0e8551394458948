#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# The keys of JSON objects and of the pages that document them, one a line, sorted: "a.b", "c[].d".
#
#   keys.pl objects PREFIX… <one or more JSON objects>     keys below a PREFIX are not looked into
#   keys.pl page FILE HEADING       first column of the table below that heading, what stands in `…`
#   keys.pl example FILE HEADING PREFIX…    of the ```json block below that heading
use strict;
use warnings;
use JSON::PP;

my ($what, @rest) = @ARGV;
my %keys;
my %opaque;

sub walk {
    my ($value, $path) = @_;
    if ($opaque{$path}) {
        $keys{$path} = 1;
    } elsif (ref $value eq 'HASH') {
        walk($value->{$_}, $path eq '' ? $_ : "$path.$_") for keys %$value;
    } elsif (ref $value eq 'ARRAY') {
        walk($_, $path . '[]') for @$value;
    } else {
        $keys{$path} = 1;
    }
}

# The part of a page between a heading and the next one of its level or above.
sub section {
    my ($file, $heading) = @_;
    open my $in, '<:raw', $file or die "$file: $!\n";
    local $/;
    my $text = <$in>;
    $text =~ /^(#+) \Q$heading\E$/m or die "$file has no heading \"$heading\"\n";
    my ($level, $from) = (length $1, $+[0]);
    my $to = substr($text, $from) =~ /^#{1,$level} /m ? $from + $-[0] : length $text;
    return substr $text, $from, $to - $from;
}

if ($what eq 'objects') {
    $opaque{$_} = 1 for @rest;
    local $/;
    my $parser = JSON::PP->new->utf8;
    $parser->incr_parse(<STDIN>);
    while (my $object = $parser->incr_parse) {
        walk($object, '');
    }
} elsif ($what eq 'page') {
    for my $row (section(@rest) =~ /^\| (.*?) \|/mg) {
        $keys{$_} = 1 for $row =~ /`([^`]+)`/g;
    }
} elsif ($what eq 'example') {
    my ($file, $heading, @prefixes) = @rest;
    $opaque{$_} = 1 for @prefixes;
    section($file, $heading) =~ /^```json\n(.*?)^```/ms or die "$file has no example below \"$heading\"\n";
    walk(JSON::PP->new->utf8->decode($1), '');
} else {
    die "keys.pl: $what?\n";
}
print "$_\n" for sort keys %keys;
