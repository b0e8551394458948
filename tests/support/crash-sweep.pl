#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Kills `sluice migrate` at its k-th system call, for many k and many trees, recovers, and asks the
# database whether every effect is there exactly once.
#
#   crash-sweep.pl ENGINE KILLS SEED FOLDER
#
# ENGINE: pg or mariadb. KILLS: how many kills must count. Environment: SLUICE, CRASH_URI (with %s for
# the database), CRASH_SQL (command that runs SQL from its last argument on the database in $CRASH_DB,
# columns by "|"), CRASH_VERIFY (journal-verify.pl).
#
# Where nothing on the server tells whether a statement ran, the answer OutcomeUnknown is right: then this program looks
# for the statement's mark, says what it sees with the command of the message, and the run after that must end well.
# Where a later statement needs what the killed session held, the file must stop there (blocked). How often each
# kind of file ended how is printed at the end.
#
# A kill counts only between the first byte to and the last byte from the database. The strace of the
# killed run tells what had been sent and answered: from that the figures at the end are made.
use strict;
use warnings;
use File::Path qw(remove_tree make_path);
use Time::HiRes qw(time);

my ($engine, $wanted, $seed, $folder) = @ARGV;
srand $seed;
my $pg = $engine eq 'pg';
my %verdicts; # kind => { settled, unknown, blocked }
my %count = (runs => 0, counted => 0, open => 0, commit_one => 0, commit_several => 0, outside => 0,
    finished => 0);
my @violations;

# ---- the database ---------------------------------------------------------------------------------

sub run_quiet {
    my (@command) = @_;
    my $pid = open(my $out, '-|') // die "fork: $!\n";
    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT;
        exec { $command[0] } @command or exit 127;
    }
    local $/;
    my $text = <$out>;
    close $out;
    return ($? >> 8, $text // '');
}

sub sql {
    my ($database, $text) = @_;
    local $ENV{CRASH_DB} = $database;
    my ($code, $out) = run_quiet('bash', '-c', "$ENV{CRASH_SQL} \"\$0\"", $text);
    die "sql failed: $text\n$out" if $code;
    $out =~ s/\t/|/g;
    return $out;
}

# ---- trees ----------------------------------------------------------------------------------------

# Each file leaves one row per statement it must have run in `effect`, which has no unique key, or an
# object that can be made only once. Returns what must be there in the end.
sub make_tree {
    my ($dir, $shape) = @_;
    # did: file -> statement -> query that is 1 when its effect is there. rows: query -> what it must give in the end.
    my %want = (effects => [], tables => ['effect'], indexes => [], columns => [], did => {}, rows => {});
    my $n = 1;
    my $write = sub {
        my ($text, $name) = @_;
        open my $out, '>', "$dir/" . ($name // "V${n}__file_$n.sql") or die $!;
        print $out $text;
        close $out;
    };
    my $effect = sub {
        my ($mark) = @_;
        push @{ $want{effects} }, $mark;
        return "insert into effect (mark) values ('$mark');\n";
    };
    remove_tree($dir);
    make_path($dir);
    $write->("create table effect (mark varchar(50) not null, padding varchar(200));\n");
    for my $kind (@$shape) {
        $n++;
        if ($kind eq 'dml') {
            $write->($effect->("m$n.1") . $effect->("m$n.2"));
        } elsif ($kind eq 'ddl') {
            push @{ $want{tables} }, "t$n";
            $write->("create table t$n (id int);\n");
        } elsif ($kind eq 'mixed') {
            push @{ $want{tables} }, "t$n";
            push @{ $want{columns} }, "t$n.extra";
            $write->("create table t$n (id int);\n" . $effect->("m$n.1") .
                "alter table t$n add column extra int;\n" . $effect->("m$n.2"));
        } elsif ($kind eq 'drop') {
            $write->("create table gone$n (id int);\n" . $effect->("m$n.1") . "drop table gone$n;\n");
        } elsif ($kind eq 'rename') {
            push @{ $want{tables} }, "new$n";
            $write->("create table old$n (id int);\nalter table old$n rename to new$n;\n" . $effect->("m$n.1"));
        } elsif ($kind eq 'index') {
            push @{ $want{indexes} }, "i$n";
            $write->("create index i$n on effect (mark);\n");
        } elsif ($kind eq 'concurrently') {
            push @{ $want{indexes} }, "i$n", "j$n";
            $write->("create index concurrently i$n on effect (mark);\n" .
                "create index concurrently j$n on effect (padding);\n");
        } elsif ($kind eq 'none') {
            push @{ $want{indexes} }, "i$n";
            $write->("-- sluice: transaction=none\n" . $effect->("m$n.1") .
                "create index concurrently i$n on effect (mark);\n" . $effect->("m$n.2"));
        } elsif (!special(\%want, $kind, $n, $write, $effect)) {
            die "no such kind of file: $kind\n";
        }
        $want{kinds}{$n} = $kind;
    }
    $want{files} = $n;
    $write->("insert into effect (mark) values ('repeatable');\n", 'R__again.sql');
    push @{ $want{effects} }, 'repeatable';
    return \%want;
}

# Programs, sessions, statements that control themselves, other engines. False: not one of these.
sub special {
    my ($want, $kind, $n, $write, $effect) = @_;
    my $mark = sub { "select count(*) from effect where mark = '$_[0]'" };
    my $insert = sub { (my $text = $effect->($_[0])) =~ s/;\n$//; return $text };
    if ($kind eq 'view') {
        push @{ $want->{tables} }, "v$n";
        $write->("create view v$n as select mark from effect;\n" . $effect->("m$n.1"));
    } elsif ($kind eq 'trigger') {
        push @{ $want->{tables} }, "h$n";
        my $trigger = $pg
            ? "create function f$n() returns trigger language plpgsql as 'begin new.id = 7; return new; end';\n" .
              "create trigger g$n before insert on h$n for each row execute function f$n();\n"
            : "create trigger g$n before insert on h$n for each row set new.id = 7;\n";
        $write->("create table h$n (id int);\n$trigger" . "insert into h$n values (1);\n");
        $want->{rows}{"select max(id) + count(*) from h$n"} = 8;
    } elsif ($kind eq 'partition') {
        push @{ $want->{tables} }, $pg ? ("q$n", "q${n}a", "q${n}b") : "q$n";
        $write->($pg
            ? "create table q$n (id int) partition by range (id);\ncreate table q${n}a partition of q$n for values from (0) to (10);\n" .
              "insert into q$n values (5);\ncreate table q${n}b partition of q$n for values from (10) to (20);\ninsert into q$n values (15);\n"
            : "create table q$n (id int) partition by range (id) (partition a values less than (10));\ninsert into q$n values (5);\n" .
              "alter table q$n add partition (partition b values less than (20));\ninsert into q$n values (15);\n");
        $want->{rows}{"select count(*) from q$n"} = 2;
    } elsif ($kind eq 'ctas') {
        push @{ $want->{tables} }, "c$n";
        $write->("create table c$n as select mark from effect union select 'none';\n" . $effect->("m$n.1"));
        $want->{rows}{"select count(*) from c$n where mark = 'none'"} = 1;
    } elsif ($kind eq 'routine') {
        my $body = $insert->("m$n.1");
        $body =~ s/'/''/g if $pg;
        my $none = $pg ? "-- sluice: transaction=none\n" : '';
        $write->($none . ($pg ? "create procedure p$n() language plpgsql as 'begin $body; commit; end';\n"
            : "create procedure p$n() $body;\n") . "call p$n();\n" . $effect->("m$n.2"));
        $want->{did}{$n}{2} = $mark->("m$n.1");
    } elsif ($kind eq 'block') {
        my $body = $insert->("m$n.1");
        $write->($pg ? "-- sluice: transaction=none\ndo \$\$ begin $body; commit; end \$\$;\n" . $effect->("m$n.2")
            : "begin not atomic $body; end;\n" . $effect->("m$n.2"));
        $want->{did}{$n}{1} = $mark->("m$n.1");
    } elsif ($kind eq 'session') { # all of it in one transaction, or set again
        $write->($pg
            ? "create temp table tt as select 'm$n.1'::text as mark;\nselect set_config('search_path', 'public', false);\n" .
              "insert into effect (mark) select mark from tt;\n"
            : "set \@m = 'm$n.1', time_zone = '+05:00';\ninsert into effect (mark) values (\@m);\n");
        push @{ $want->{effects} }, "m$n.1";
    } elsif ($kind eq 'variable') { # the value goes with the session once the table is there
        return 0 if $pg;
        push @{ $want->{tables} }, "k$n";
        push @{ $want->{effects} }, "m$n.1";
        $write->("select 'm$n.1' into \@m;\ncreate table k$n (id int);\ninsert into effect (mark) values (\@m);\n");
        $want->{blocks}{$n} = "m$n.1";
    } elsif ($kind eq 'temporary') {
        push @{ $want->{effects} }, "m$n.2";
        push @{ $want->{tables} }, "k$n";
        $write->(($pg ? "-- sluice: transaction=none\n" : '') . "create temporary table tt as select 'm$n.2' as mark;\n" .
            "create table k$n (id int);\ninsert into effect (mark) select mark from tt;\n");
        $want->{blocks}{$n} = "m$n.2";
    } elsif ($pg) {
        return 0;
    } elsif ($kind eq 'event') {
        $write->("create event e$n on schedule every 1 day do delete from effect;\n" . $effect->("m$n.1"));
        $want->{did}{$n}{1} = "select count(*) from information_schema.events where event_schema = database() and event_name = 'e$n'";
        $want->{rows}{ $want->{did}{$n}{1} } = 1;
    } elsif ($kind eq 'myisam' || $kind eq 'aria') {
        push @{ $want->{tables} }, "x$n";
        $write->("create table x$n (mark varchar(50)) engine=$kind;\ninsert into x$n values ('one');\n" . $effect->("m$n.1"));
        $want->{did}{$n}{2} = "select count(*) from x$n";
        $want->{rows}{"select count(*) from x$n"} = 1;
    } elsif ($kind eq 'truncate') {
        push @{ $want->{tables} }, "x$n";
        $write->("create table x$n (id int);\ninsert into x$n values (1);\ntruncate table x$n;\ninsert into x$n values (2);\n");
        $want->{did}{$n}{3} = "select count(*) = 0 from x$n";
        $want->{rows}{"select sum(id) from x$n"} = 2;
    } elsif ($kind eq 'swap') { # nobody can see which way round it is: either answer does no harm here
        push @{ $want->{tables} }, "w$n";
        $write->("create table w$n (a int, b int);\nalter table w$n drop column b, add column b int;\n" . $effect->("m$n.1"));
        $want->{did}{$n}{2} = 'select 1';
    } else {
        return 0;
    }
    return 1;
}

my @special = (qw(view trigger partition ctas routine block session temporary),
    $pg ? () : qw(variable event myisam aria truncate swap));
my @kinds = $pg ? qw(dml ddl mixed drop rename index concurrently none) : qw(dml ddl mixed drop rename index);

sub make_shape {
    my ($tree) = @_;
    # Some trees are all transactional, so that several files are in flight; a few are a single file,
    # in which much of the talk is about getting ready.
    my ($single, $many, $some) = $pg ? (3, 10, 5) : (6, 12, 8);
    return [map { (qw(dml ddl mixed))[rand 3] } 1 .. $many] if $tree % 3 == 0;
    return [$kinds[($tree / $single) % @kinds]] if $tree % $single == 1;
    return [map { $special[($tree * 5 + $_) % @special] } 1 .. 5] if $tree % 3 == 2;
    return [map { $kinds[rand @kinds] } 1 .. $some];
}

# ---- one run under strace ---------------------------------------------------------------------------

sub traced {
    my ($database, $dir, $log, @inject) = @_;
    my $uri = sprintf $ENV{CRASH_URI}, $database;
    local $ENV{ASAN_OPTIONS} = 'detect_leaks=0';
    return run_quiet('strace', '-f', '-o', $log, '-s', '262144', '-xx', '-e',
        'trace=connect,socket,sendto,recvfrom,sendmsg,recvmsg,poll,ppoll,read,write,close', @inject,
        $ENV{SLUICE}, 'migrate', '--url', $uri, '--dir', $dir, '--lock-wait', '20s');
}

# The conversation in a trace: [call, bytes or undef] on the database's socket, and the number of each
# call, of that thread, before the first byte to and at the last byte from it (strace counts by thread).
sub conversation {
    my ($log) = @_;
    my (@events, %seen, %sockets, %pending);
    open my $in, '<', $log or die "no trace: $!\n";
    while (my $line = <$in>) {
        my ($pid, $rest) = $line =~ /^(\d+)\s+(.*)$/ or next;
        if ($rest =~ /^(\w+)\((.*) <unfinished \.\.\.>$/) {
            $pending{$pid} = "$1($2";
            $seen{$pid}{$1}++;
            $rest = "$1($2";
            if ($rest =~ /^(sendto|write)\((\d+), "((?:\\x..)*)"/ && $sockets{$2}) {
                push @events, { call => 'send', bytes => $3, at => { %{ $seen{$pid} } } };
            }
            next;
        }
        if ($rest =~ /^<\.\.\. (\w+) resumed>(.*)$/) {
            $rest = (delete $pending{$pid} // "$1(") . $2;
            next if $rest =~ /^(?:sendto|write)/;
        } else {
            $seen{$pid}{$1}++ if $rest =~ /^(\w+)\(/;
        }
        if ($rest =~ /^connect\((\d+), \{sa_family=AF_(?:UNIX|INET)/) {
            $sockets{$1} = 1;
        } elsif ($rest =~ /^(?:sendto|write)\((\d+), "((?:\\x..)*)"/ && $sockets{$1}) {
            push @events, { call => 'send', bytes => $2, at => { %{ $seen{$pid} } } };
        } elsif ($rest =~ /^(?:recvfrom|read)\((\d+),\s*"((?:\\x..)*)"/ && $sockets{$1}) {
            push @events, { call => 'receive', bytes => $2, at => { %{ $seen{$pid} } } } if length $2;
        } elsif ($rest =~ /^(poll|ppoll)\(/) {
            push @events, { call => 'wait', bytes => '', at => { %{ $seen{$pid} } } };
        }
    }
    for my $event (@events) {
        $event->{bytes} =~ s/\\x(..)/chr hex $1/ge;
    }
    return \@events;
}

# What was open when the trace ended: sent, but not answered.
sub standing {
    my ($events) = @_;
    my ($begun, $commits, $answered, $any, $steps) = (0, 0, 0, 0, 0);
    for my $event (@$events) {
        if ($event->{call} eq 'send') {
            $any = 1;
            $begun += () = $event->{bytes} =~ /\b(?:BEGIN ISOLATION|START TRANSACTION|BEGIN NOT ATOMIC|BEGIN\0)/g;
            $commits += () = $event->{bytes} =~ /\bCOMMIT\b/g;
            $steps = 1 if $event->{bytes} =~ /'intent'|\0intent|CONCURRENTLY/i;
        } elsif ($event->{call} eq 'receive') {
            if ($pg) {
                $answered += () = $event->{bytes} =~ /COMMIT\0/g;
            } elsif ($commits > $answered) {
                $answered = $commits; # one request, one answer
            }
        }
    }
    my $waiting = $commits - $answered;
    return { talking => $any, open => $begun > $answered, waiting => $waiting < 0 ? 0 : $waiting };
}

# ---- the oracle -------------------------------------------------------------------------------------

sub violation {
    my ($what, $where) = @_;
    push @violations, "$where: $what";
    print "# VIOLATION $where: $what\n";
}

sub check {
    my ($database, $want, $where) = @_;
    my $schema = $pg ? 'public' : $database;
    my %effects = map { split /\|/ } split /\n/, sql($database, 'select mark, count(*) from effect group by mark');
    for my $mark (@{ $want->{effects} }) {
        my $times = delete $effects{$mark} // 0;
        violation("effect $mark is there $times times", $where) if $times != 1;
    }
    violation("effects that no file has: @{[sort keys %effects]}", $where) if %effects;
    for my $query (sort keys %{ $want->{rows} }) {
        my $have = sql($database, $query);
        chomp $have;
        violation("$query gives $have, not $want->{rows}{$query}", $where) if $have ne $want->{rows}{$query};
    }
    my $tables = join ' ', sort grep { !/^(?:flyway_schema_history|sluice_)/ } split /\n/,
        sql($database, "select table_name from information_schema.tables where table_schema = '$schema'");
    my $expected = join ' ', sort @{ $want->{tables} };
    violation("tables are $tables, not $expected", $where) if $tables ne $expected;
    for my $column (@{ $want->{columns} }) {
        my ($table, $name) = split /\./, $column;
        my $times = sql($database, "select count(*) from information_schema.columns where
            table_schema = '$schema' and table_name = '$table' and column_name = '$name'");
        violation("column $column is missing", $where) if $times != 1;
    }
    check_indexes($database, $want, $where);
    check_history($database, $want, $where);
    check_journal($database, $where);
}

sub check_indexes {
    my ($database, $want, $where) = @_;
    my $have = $pg
        ? sql($database, "select c.relname || case when i.indisvalid then '' else ' INVALID' end from pg_index i
            join pg_class c on c.oid = i.indexrelid join pg_class t on t.oid = i.indrelid where t.relname = 'effect'")
        : sql($database, "select distinct index_name from information_schema.statistics
            where table_schema = '$database' and table_name = 'effect'");
    $have = join ' ', sort split /\n/, $have;
    my $expected = join ' ', sort @{ $want->{indexes} };
    violation("indexes are [$have], not [$expected]", $where) if $have ne $expected;
}

sub check_history {
    my ($database, $want, $where) = @_;
    my $rows = sql($database, "select coalesce(version, 'R') from flyway_schema_history order by installed_rank");
    my $expected = join '', map { "$_\n" } 1 .. $want->{files}, 'R';
    violation('history is ' . join(' ', split /\n/, $rows), $where) if $rows ne $expected;
    my $bad = sql($database, 'select count(*) from flyway_schema_history where not success');
    violation("$bad failed rows", $where) if $bad != 0;
}

sub check_journal {
    my ($database, $where) = @_;
    my @columns = qw(history_table seq format_version installed_rank kind version description script step line
        statement_sha256 step_class pre_state state git_commit file_sha256 placeholders_hmac epoch attempt
        retry_token session_id row_hash);
    my $list = join $pg ? " || '|' || " : ", '|', ",
        map { $pg ? "coalesce(encode(convert_to($_\::text, 'UTF8'), 'hex'), '-')" : "coalesce(lower(hex($_)), '-')" }
        map { $pg || !/^(?:seq|format_version|installed_rank|step|line|epoch|attempt|session_id)$/ ? $_ : "cast($_ as char)" } @columns;
    $list = "concat($list)" unless $pg;
    open my $out, '>', "$folder/journal" or die $!;
    print $out sql($database, "select $list from sluice_journal order by seq");
    close $out;
    my ($code, $text) = run_quiet($ENV{CRASH_VERIFY}, "$folder/journal");
    violation("journal: $text", $where) if $code;
    my $open = sql($database, "select count(*) from sluice_journal j where state = 'intent' and not exists
        (select 1 from sluice_journal k where k.installed_rank = j.installed_rank and k.step = j.step and k.seq > j.seq)");
    violation("$open steps are still open", $where) if $open != 0;
}

# ---- the sweep --------------------------------------------------------------------------------------

# PostgreSQL makes a database by copying files and drops it with a checkpoint, more work than all the
# rest of a kill: there a new schema does.
my $database_number = 0;
sub fresh_database {
    $database_number++;
    if ($pg) {
        sql('postgres', 'create database crash owner app') if $database_number == 1;
        sql('crash', 'set client_min_messages = error; drop schema public cascade; create schema public authorization app');
        return 'crash';
    }
    my $name = "crash$database_number";
    sql('mysql', "create database $name character set utf8mb4; grant all on $name.* to app\@localhost");
    return $name;
}

sub drop_database {
    my ($name) = @_;
    sql('mysql', "drop database $name") unless $pg;
}

# How often each call happens in an undisturbed run, between first and last byte.
sub window {
    my ($dir) = @_;
    my $database = fresh_database();
    my ($code, $out) = traced($database, $dir, "$folder/trace");
    die "the undisturbed run failed: $out\n" if $code;
    drop_database($database);
    my @talk = grep { $_->{call} ne 'wait' } @{ conversation("$folder/trace") };
    return { first => $talk[0]{at}, last => $talk[-1]{at} };
}

sub kill_once {
    my ($dir, $want, $call, $k, $delay) = @_;
    my $database = fresh_database();
    my $inject = "inject=$call:signal=KILL:when=$k" . ($delay ? ":delay_enter=$delay" : '');
    my ($code, $out) = traced($database, $dir, "$folder/trace", '-e', $inject);
    $count{runs}++;
    my $where = "tree " . join('-', @{ $want->{shape} }) . ", $call $k, delay $delay";
    my $state = standing(conversation("$folder/trace"));
    if ($out =~ /^done:/m) {
        $count{finished}++; # it talked less than the undisturbed run: nothing was killed
        drop_database($database);
        return;
    }
    if (!$state->{talking}) {
        $count{outside}++;
    } else {
        $count{counted}++;
        my $step = 0;
        my $has = sql($database, $pg
            ? "select to_regclass('sluice_journal') is not null"
            : "select count(*) from information_schema.tables where table_schema = '$database' and table_name = 'sluice_journal'");
        if ($has =~ /^[t1]/) {
            $step = sql($database, "select count(*) from sluice_journal where state = 'intent'") > 0;
        }
        $count{open}++ if $state->{open} || $step;
        $count{commit_one}++ if $state->{waiting} == 1;
        $count{commit_several}++ if $state->{waiting} > 1;
    }
    recover($database, $dir, $want, $where);
    drop_database($database);
}

# One more run; and one more for each verdict that only a person can give.
sub recover {
    my ($database, $dir, $want, $where) = @_;
    my $uri = sprintf $ENV{CRASH_URI}, $database;
    my %ended;
    for (1 .. 4) {
        my ($again, $text) = run_quiet($ENV{SLUICE}, 'migrate', '--url', $uri, '--dir', $dir, '--lock-wait', '20s');
        my ($file) = $text =~ /V(\d+)__file/;
        if (!$again) {
            check($database, $want, $where);
            $verdicts{ $want->{kinds}{$_} }{ $ended{$_} // 'settled' }++ for keys %{ $want->{kinds} };
            return;
        }
        if ($again == 8 && $text =~ /V(\d+)__file_\d+\.sql:.*sluice resolve.*--version '(\d+)' --step (\d+)/s) {
            my ($n, $step) = ($2, $3);
            my $query = $want->{did}{$n}{$step};
            return violation("unknown where it can be told: $text", $where) if !$query;
            my $verdict = sql($database, $query) =~ /^[1t]/ ? 'applied' : 'not-applied';
            # As it is printed, in a shell, as a person would.
            my ($command) = $text =~ /`(sluice resolve [^`]*--verdict \Q$verdict\E [^`]*)`/;
            return violation("no command for $verdict in: $text", $where) if !$command;
            local $ENV{PATH} = ($ENV{SLUICE} =~ s{/[^/]*$}{}r) . ":$ENV{PATH}";
            my ($code, $said) = run_quiet('bash', '-c', $command);
            return violation("the command of the message: $code $said", $where) if $code;
            $ended{$n} = 'unknown';
            next;
        }
        if ($again == 3 && $text =~ /V(\d+)__file_\d+\.sql:.*(?:needs a value of the session|may need what statement)/s) {
            my $mark = $want->{blocks}{$1} // return violation("blocked where nothing is lost: $text", $where);
            my $times = sql($database, "select count(*) from effect where mark = '$mark'");
            return violation("blocked, and effect $mark is there $times times", $where) if $times != 0;
            $verdicts{ $want->{kinds}{$1} }{blocked}++;
            return;
        }
        return violation("recovery ended with code $again: $text", $where);
    }
    violation('no end of verdicts', $where);
}

my $started = time;
my $tree = 0;
while ($count{counted} < $wanted && $count{runs} < 4 * $wanted && @violations < 10) {
    my $dir = "$folder/sql";
    my $shape = make_shape($tree++);
    my $want = make_tree($dir, $shape);
    $want->{shape} = $shape;
    my $window = window($dir);
    my @points;
    for my $call (qw(sendto recvfrom poll)) {
        my ($from, $to) = map { $window->{$_}{$call} // 0 } qw(first last);
        push @points, [$call, $_] for $from + 1 .. $to;
    }
    # A seeded sample of this tree, so that many trees get their turn.
    for (1 .. 20) {
        last if !@points || $count{counted} >= $wanted;
        my ($point) = splice @points, rand @points, 1;
        kill_once($dir, $want, @$point, rand() < 0.5 ? 0 : 15000);
    }
}

for my $kind (sort keys %verdicts) {
    my $of = $verdicts{$kind};
    printf "kind %-12s settled %d, unknown %d, blocked %d\n", $kind, map { $of->{$_} // 0 } qw(settled unknown blocked);
}
my $counted = $count{counted} || 1;
printf "kills %d of %d runs (%d outside, %d after the end), open %d (%d %%), unanswered COMMIT %d " .
    "(%d with one file in flight, %d with several), trees %d, violations %d, seed %d, %d s\n",
    $count{counted}, $count{runs}, $count{outside}, $count{finished}, $count{open},
    100 * $count{open} / $counted, $count{commit_one} + $count{commit_several}, $count{commit_one},
    $count{commit_several}, $tree, scalar @violations, $seed, time - $started;
exit(@violations ? 1 : 0);
