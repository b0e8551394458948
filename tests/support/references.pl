#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Do pages of this repository, and comments that cite them, name only what exists?
#
#   references.pl citations|links|pages ROOT <list-of-files
#
# citations: "docs/reference/formats.md 1.2", "[engine.md](engine.md) 4 and 6", "docs/reference/flyway.md 4.1-4.4": the page has
#            a heading of each number, once
# links:     [text](path#anchor) of pages: the file is there, and has that heading
# pages:     every word that ends in .md is a page that is there
#
# Prints one line for each that is not so. A page is named from the root, from docs/ or one of its
# folders, or from beside.
use strict;
use warnings;

my ($what, $root) = @ARGV;
my @files = map { chomp; $_ } <STDIN>;
my $number = qr/\d+(?:\.\d+)*/;
my %pages;

sub text_of {
    my ($file) = @_;
    open my $in, '<:encoding(UTF-8)', "$root/$file" or die "$file: $!\n";
    local $/;
    return scalar <$in>;
}

# What a page's headings are: numbers with how often, and anchors.
sub page {
    my ($file) = @_;
    return $pages{$file} //= do {
        my (%numbers, %anchors);
        (my $text = text_of($file)) =~ s/^```.*?^```$//msg;
        for my $heading ($text =~ /^#{1,6} +(.+?)\s*$/mg) {
            $numbers{$1}++ if $heading =~ /^($number)\.? /;
            (my $anchor = lc $heading) =~ s/[^\w\- ]//g;
            $anchor =~ tr/ /-/;
            $anchors{$anchor} = 1;
        }
        { numbers => \%numbers, anchors => \%anchors };
    };
}

sub resolve {
    my ($file, $name) = @_;
    (my $folder = $file) =~ s{[^/]*$}{};
    for my $path ("$folder$name", $name, map { "docs/$_$name" } "", "reference/", "how-to/", "explanation/") {
        (my $clean = $path) =~ s{[^/]+/\.\./}{}g;
        return $clean if -e "$root/$clean";
    }
    return undef;
}

sub place {
    my ($file, $text, $offset) = @_;
    return "$file:" . (1 + (substr($text, 0, $offset) =~ tr/\n//));
}

sub check_citations {
    my ($file, $text) = @_;
    my $gap = qr/(?:\s|\n\s*(?:\*|\/\/|#)\s)+/; # a comment may go on in the next line
    while ($text =~ /([\w\/-]+\.md)(?:\]\([^)]*\))?$gap($number(?:(?:,|-|,? and|,? or)\s*$number)*)/g) {
        my ($name, $numbers, $at) = ($1, $2, $-[0]);
        my $page = resolve($file, $name);
        if (!defined $page) {
            print place($file, $text, $at), ": there is no page $name\n";
            next;
        }
        for my $one ($numbers =~ /$number/g) {
            my $times = page($page)->{numbers}{$one} // 0;
            print place($file, $text, $at), ": $page has $times headings $one\n" if $times != 1;
        }
    }
}

sub check_links {
    my ($file, $text) = @_;
    while ($text =~ /\]\(([^)\s]+)\)/g) {
        my ($link, $at) = ($1, $-[0]);
        next if $link =~ /^[a-z]+:/;
        my ($name, $anchor) = split /#/, $link, 2;
        (my $folder = $file) =~ s{[^/]*$}{};
        my $page = $name eq '' ? $file : "$folder$name";
        $page =~ s{[^/]+/\.\./}{}g;
        if (!-e "$root/$page") {
            print place($file, $text, $at), ": there is no $page\n";
        } elsif (defined $anchor && !page($page)->{anchors}{$anchor}) {
            print place($file, $text, $at), ": $page has no heading #$anchor\n";
        }
    }
}

sub check_pages {
    my ($file, $text) = @_;
    while ($text =~ /(?<![\w.\/-])([\w.\/-]*\w\.md)\b(?![\w\/])/g) {
        my ($name, $at) = ($1, $-[0]);
        print place($file, $text, $at), ": there is no page $name\n" if !defined resolve($file, $name);
    }
}

my %checks = (citations => \&check_citations, links => \&check_links, pages => \&check_pages);
for my $file (@files) {
    $checks{$what}->($file, text_of($file));
}
