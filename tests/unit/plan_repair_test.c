/* SPDX-License-Identifier: Apache-2.0 */
/* repair_plan: which rows of the history table it takes away, marks or realigns, and what it leaves alone. */
#include "plan_world.h"

static const struct plan_case cases[] = {
    { .rule = "nothing is wrong: nothing to do",
      .files = { "V1__a=1", "R__v=v" },
      .rows = { "1 SQL 1 a 1 ok", "2 SQL - v v ok" },
      .actions = "" },
    /* ---- failed rows ------------------------------------------------------------------------ */
    { .rule = "a failed row of another tool goes, whether its file is there or not",
      .files = { "V1__a=1", "V2__b=2" },
      .rows = { "1 SQL 1 a 1 ok", "2 SQL 2 b 2 failed", "3 SQL 3 c 3 failed",
                "4 SQL - v v failed" },
      .actions = "remove 2, remove 3, remove 4" },
    { .rule = "so it does without files, and what would pass for missing then stays",
      .files = { "V9__z=9" },
      .no_files = true,
      .rows = { "1 SQL 1 a 1 ok", "2 SQL 2 b 2 failed" },
      .ignore = { "*:pending" },
      .actions = "remove 2" },
    { .rule = "a row below 0 is invisible to Flyway",
      .files = { "V1__a=1" },
      .rows = { "-100 SQL 1 a 1 failed" },
      .actions = "" },
    { .rule = "one of ours goes when the journal says that nothing has stayed",
      .files = { "V1__a=1" },
      .rows = { "1 SQL 1 a 1 failed" },
      .journal = { "1 1 a 1 A failed 1" },
      .actions = "remove ours 1" },
    { .rule = "and when a person has said so",
      .files = { "V1__a=1" },
      .rows = { "1 SQL 1 a 1 failed" },
      .journal = { "1 1 a 1 A done 1", "1 1 a 2 A failed 1", "1 1 a 0 T restart 1" },
      .actions = "remove ours 1" },
    { .rule = "not when a step is applied: the way on and the way out are said",
      .files = { "V1__a=1" },
      .rows = { "1 SQL 1 a 1 failed" },
      .journal = { "1 1 a 1 A done 1", "1 1 a 2 A failed 1" },
      .actions = "",
      .reason = "FailedHistoryRow",
      .message =
          "version 1 failed (history row 1), and its statement 1 (line 0) is applied: `sluice "
          "migrate` goes on from there; when what stays is wanted or undone instead, say so, "
          "then repair: `sluice resolve --url 'postgresql://shop' --version '1' --verdict "
          "restart --reason 'I looked'`" },
    { .rule = "not when one may be, of a repeatable either",
      .files = { "V1__a=1" },
      .rows = { "1 SQL - it's_v v failed" },
      .journal = { "1 - it's_v 2 X intent v" },
      .reason = "FailedHistoryRow",
      .message =
          "repeatable \"it's v\" failed (history row 1), and its statement 2 (line 3) may have "
          "taken effect: `sluice migrate` goes on from there; when what stays is wanted or undone "
          "instead, say so, then repair: `sluice resolve --url 'postgresql://shop' --description "
          "'it'\\''s v'" },
    { .rule = "what another file has left does not hold it",
      .files = { "V1__a=1" },
      .rows = { "1 SQL 1 a 1 failed" },
      .journal = { "1 1 a 1 A failed 1", "2 2 b 1 A done 2", "2 - a 1 A done 2" },
      .actions = "remove ours 1" },
    { .rule = "our row of another rank explains nothing",
      .files = { "V1__a=1" },
      .rows = { "2 SQL 1 a 1 failed" },
      .journal = { "1 1 a 1 A done 1" },
      .actions = "remove 2" },
    /* ---- missing files ---------------------------------------------------------------------- */
    { .rule =
          "a version below the newest file is marked, a future one is kept by the default pattern",
      .files = { "V2__b=2" },
      .rows = { "1 SQL 1 a 1 ok", "2 SQL 2 b 2 ok", "3 SQL 3 c 3 ok" },
      .actions = "deleted 1" },
    { .rule = "with another pattern the future one is marked, and the missing one is not",
      .files = { "V2__b=2" },
      .rows = { "1 SQL 1 a 1 ok", "2 SQL 2 b 2 ok", "3 SQL 3 c 3 ok" },
      .ignore = { "*:missing" },
      .actions = "deleted 3" },
    { .rule = "a repeatable is marked by its newest run alone",
      .files = { "V1__a=1" },
      .rows = { "1 SQL - v v1 ok", "2 SQL - v v2 ok" },
      .actions = "deleted 2" },
    { .rule = "what is marked already is not marked again",
      .files = { "V2__b=2" },
      .rows = { "1 SQL 1 a 1 ok", "2 SQL - v v ok", "3 DELETE 1 a 1 ok", "4 DELETE - v v ok" },
      .actions = "" },
    { .rule = "a script whose file is gone is marked too",
      .files = { "V2__b=2" },
      .rows = { "1 SCRIPT 1 a 1 ok" },
      .actions = "deleted 1" },
    { .rule = "the run before a failed one is judged as if that had never been",
      .files = { "V1__a=1" },
      .rows = { "1 SQL - v v1 ok", "2 SQL - v v2 failed" },
      .actions = "remove 2, deleted 1" },
    { .rule = "Java is not seen here, so it is not taken for missing",
      .files = { "V2__b=2" },
      .rows = { "1 JDBC 1 a 1 ok" },
      .actions = "",
      .kept = "history row 1, version 1: not a migration of a SQL file, so it is not marked as "
              "deleted: say --ignore-pattern '*:missing'" },
    { .rule = "a baseline file that is gone stands for more than itself",
      .files = { "V4__d=4" },
      .rows = { "1 SQL_BASELINE 3 c 3 ok" },
      .actions = "",
      .kept =
          "history row 1, version 3: a baseline whose file is gone is not marked as deleted, or "
          "what "
          "it stands for would run again: put the file back, or say --ignore-pattern '*:missing'" },
    { .rule = "a marker would hit the newer row of that version",
      .files = { "V1__a=1", "V2__b=2" },
      .rows = { "1 SCRIPT 1.0 a 1 ok", "2 SQL 1 a 1 ok", "3 SQL - v v ok" },
      .ignore = { "repeatable:missing" },
      .actions = "",
      .kept = "history row 1, version 1.0: a newer row stands for the same migration, and a marker "
              "would "
              "take that one back: say --ignore-pattern '*:missing'" },
    { .rule = "what is no migration does not stand for one",
      .files = { "V9__z=9" },
      .rows = { "1 SQL 1 a 1 ok", "2 BASELINE 1 base NULL ok" },
      .actions = "deleted 1" },
    { .rule = "what Flyway writes beside migrations, and what is undone, is none of it",
      .files = { "V9__z=9" },
      .rows = { "1 BASELINE 1 base NULL ok", "2 SCHEMA - made NULL ok", "3 UNDO_SQL 2 b 2 ok" },
      .actions = "" },
    /* ---- edited files ----------------------------------------------------------------------- */
    { .rule = "checksum and description of a version become those of its file",
      .files = { "V1__new_name=edited", "V2__b=2", "V3__c=3" },
      .rows = { "1 SQL 1 old 1 ok", "2 SQL 2 x 2 ok", "3 SQL 3.0 c 3 ok" },
      .actions = "realign 1 new name=-1026904991, realign 2 b=450215437" },
    { .rule = "a row that was undone is left alone",
      .files = { "V1__a=edited" },
      .rows = { "1 SQL 1 a 1 ok", "2 UNDO_SQL 1 a 1 ok" },
      .actions = "" },
    { .rule = "a row without a checksum gets one",
      .files = { "V1__a=1" },
      .rows = { "1 SQL 1 a NULL ok" },
      .actions = "realign 1 a=-2082672713" },
    { .rule = "a description that is too long for the table is stored cut, and is equal then",
      .files = { "V1__"
                 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx=1",
                 "V2__"
                 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx=2" },
      .rows = { "1 SQL 1 "
                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx... 1 ok",
                "2 SQL 2 x 2 ok" },
      .actions = "realign 2 "
                 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...=450215437" },
    { .rule = "no description is written as Flyway found it",
      .files = { "V1=1", "V2__=2x", "V3__=3" },
      .rows = { "1 SQL 1 <<_no_description_>> 1 ok", "2 SQL 2 <<_no_description_>> 2 ok",
                "3 SQL 3 x 3 ok" },
      .actions = "realign 2 << no description >>=-227033216, realign 3 =1842515611" },
    { .rule = "a baseline file is realigned, one that was taken back is not",
      .files = { "B1__a=1x", "V2__b=2x", "V3__c=3" },
      .rows = { "1 SQL_BASELINE 1 a 1 ok", "2 SQL 2 b 2 ok", "3 DELETE 2 b 2 ok" },
      .actions = "realign 1 a=-648352701" },
    { .rule = "a repeatable that was stored before replacement is stored after it",
      .files = { "R__v=${n}", "R__w=${n}", "R__x=x2", "R__y=y", "R__z=z" },
      .rows = { "1 SQL - v ${n} ok", "2 SQL - w 7 ok", "3 SQL - x x1 ok", "4 SQL - y NULL ok",
                "5 SQL - z z ok" },
      .placeholder = "n=7",
      .actions = "realign 1 v=1790921346" },
    { .rule = "an older run of a repeatable is left alone",
      .files = { "R__v=${n}" },
      .rows = { "1 SQL - v ${n} ok", "2 SQL - v 7 ok" },
      .placeholder = "n=7",
      .actions = "" },
    { .rule = "a repeatable that names an unknown placeholder is refused",
      .files = { "R__v=${nope}" },
      .rows = { "1 SQL - v ${nope} ok" },
      .reason = "InvalidMigration",
      .message = "nope" },
    { .rule = "a target and an order of runs do not bound it",
      .files = { "V1__a=1", "V2__b=2x", "V3__c=3" },
      .rows = { "1 SQL 3 c 3 ok", "2 SQL 2 b 2 ok" },
      .target = "1",
      .actions = "realign 2 b=-227033216" },
    { .rule = "a type that nobody writes is not repaired",
      .files = { "V1__a=1" },
      .rows = { "1 sql 1 a 1 ok" },
      .reason = "HistoryTampered" },
};

Test(repair_plan, changes)
{
    for (size_t i = 0; i < ROWS(cases); i++) {
        repair_check(&cases[i]);
    }
}
