/* SPDX-License-Identifier: Apache-2.0 */
/* Values in servers' texts: what stays, what goes, in several languages and with quotes that do not fit. */
#include <criterion/criterion.h>
#include "base/auto.h"
#include "base/mask.h"
#include "base/mem.h"

static const char *const known[] = { "orders",      "public", "email", "shop",
                                     "customer_id", "frm",    "select" };

enum {
    RAISED = 1,
    CODE = 2,
    CUT = 4
};

static char *run(const char *text, int how)
{
    struct strlist names = { 0 }, words = { 0 };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        strlist_add(&names, known[i]);
    }
    strlist_add(&words, "failed");
    strlist_add(&words, "order");
    const struct mask mask = { .names = &names,
                               .words = &words,
                               .raised = how & RAISED,
                               .quotes_code = how & CODE,
                               .cut = how & CUT };
    char *out = mask_text(text, &mask);
    strlist_done(&names);
    strlist_done(&words);
    return out;
}

static const struct {
    const char *name, *text, *want;
    int how;
} cases[] = {
    { "a name stays", "relation \"orders\" does not exist", "relation \"orders\" does not exist",
      0 },
    { "a qualified one too", "Table 'shop.orders' doesn't exist",
      "Table 'shop.orders' doesn't exist", 0 },
    { "each part must be known", "Table 'shop.Z' doesn't exist", "Table '…' doesn't exist", 0 },
    { "joined quotes are one", "for column `shop`.`orders`.`email` at row 1",
      "for column `shop`.`orders`.`email` at row …", 0 },
    { "a value goes", "invalid input syntax for type integer: \"LIT\"",
      "invalid input syntax for type integer: \"…\"", 0 },
    { "the key's name stays behind it", "Duplicate entry 'secret' for key 'PRIMARY'",
      "Duplicate entry '…' for key 'PRIMARY'", 0 },
    { "MySQL's way", "Duplicate entry 'secret' for key 'orders.PRIMARY'",
      "Duplicate entry '…' for key 'orders.PRIMARY'", 0 },
    { "an unknown one does not", "Duplicate entry 'secret' for key 'other'", "Duplicate entry '…'",
      0 },
    { "numbers go", "value 4711 is out of range", "value … is out of range", 0 },
    { "letters and numbers too", "token ab12cd was refused", "token … was refused", 0 },
    { "what follows a sign of equality", "Key (email)=(my secret word) already exists.",
      "Key (email)…", 0 },
    { "a sign", "syntax error at or near \")\"", "syntax error at or near \")\"", 0 },
    { "German", "Relation »orders« existiert nicht: „LIT“",
      "Relation »orders« existiert nicht: „…“", 0 },
    { "French", "la relation « orders » n'existe pas, ni « LIT »",
      "la relation « orders » n'existe pas, ni «…»", 0 },
    { "French, hard blanks", "la relation «\xC2\xA0orders\xC2\xA0» n'existe pas",
      "la relation «\xC2\xA0orders\xC2\xA0» n'existe pas", 0 },
    { "Japanese", "リレーション\"orders\"は存在しません", "リレーション\"orders\"は存在しません",
      0 },
    { "Japanese brackets", "値「秘密」は不正です", "値「…」は不正です", 0 },
    { "a quote without an end", "invalid value \"LIT-CANARY", "invalid value \"…\"", 0 },
    { "a quote in quotes", "near \"it's LIT\" there", "near \"…\"", 0 },
    { "the same quotes inside", "Incorrect value 'a'b' secret' for it", "Incorrect value '…'", 0 },
    { "code in quotes", "syntax to use near ''LIT', 'B')' at line 3", "syntax to use near '…'",
      CODE },
    { "code that seems to end", "use near 'select' secret words '' at line 1",
      "use near '…' at line …", CODE },
    { "code that looks like names", "use near 'select' secret 'orders' at line 1",
      "use near '…' at line …", CODE },
    { "code that is one name", "syntax to use near 'frm' at line 3",
      "syntax to use near 'frm' at line …", CODE },
    { "a text that was cut", "Incorrect value 'a' and words of i", "Incorrect value '…'", CUT },
    { "a text that was cut before a value", "no table 'orders' and no 'SECR", "no table '…'", CUT },
    { "raised: its own words alone", "order 17 of bob failed: hunter", "order … failed: …",
      RAISED },
    { "raised: names stay", "order of orders failed", "order … orders failed", RAISED },
    { "raised: nothing known", "hunter two", "…", RAISED },
    { "nothing", "", "", 0 },
    { "blanks stay", "a  b", "a  b", 0 },
    { "paths and addresses", "could not reach /secret/path bob@host", "could not reach …", 0 },
    { "full-width quotes", "値＂秘密＂です", "値＂…＂です", 0 },
    { "a backslash", "bad escape \\secret here", "bad escape … here", 0 },
    { "hidden already", "Duplicate entry '…' for … it", "Duplicate entry '…' for … it", 0 },
};

Test(base_mask, what_is_not_known_to_be_a_name_goes)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO(free_auto) char *got = run(cases[i].text, cases[i].how);
        cr_expect_str_eq(got, cases[i].want, "%s: %s", cases[i].name, got);
        AUTO(free_auto) char *again = run(got, cases[i].how);
        cr_expect_leq(strlen(again), strlen(got), "%s: again: %s", cases[i].name, again);
    }
}

/* Whatever stands around it, a value never comes through: every frame with every value, cut at every byte. */
Test(base_mask, no_value_comes_through)
{
    static const char *const frames[] = {
        "invalid input syntax for type integer: \"%s\"",
        "Duplicate entry '%s' for key 'PRIMARY'",
        "Duplicate entry '%s' for key 'orders.email'",
        "Incorrect integer value: '%s' for column `shop`.`orders`.`email` at row 1",
        "ungültige Eingabesyntax für Typ integer: »%s«",
        "syntaxe en entrée invalide pour le type integer : « %s »",
        "Doppelter Eintrag '%s' für Schlüssel 'PRIMARY'",
        "型\"%s\"の入力構文が不正です",
        "relation \"orders\" has \"%s\"",
    };
    static const char *const values[] = {
        "CANARY7",
        "it's CANARY7",
        "CANARY7 \"x\" CANARY7",
        "'CANARY7'",
        "\"CANARY7\"",
        "orders' CANARY7",
        "»CANARY7« „CANARY7“",
        "a`CANARY7",
        "x = 'CANARY7')",
        "« CANARY7 »'\"",
        "$$CANARY7$$",
        "CANARY7', 'CANARY7",
        "((CANARY7",
        "CANARY7' for key 'CANARY7",
    };
    size_t tried = 0;
    for (size_t f = 0; f < sizeof frames / sizeof *frames; f++) {
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            AUTO(free_auto) char *text = NULL;
            const char *at = strstr(frames[f], "%s");
            text = mem_printf("%.*s%s%s", (int)(at - frames[f]), frames[f], values[v], at + 2);
            for (size_t n = strlen(text); n > 0; n--) {
                text[str_utf8_cut(text, n, n)] = '\0';
                AUTO(free_auto) char *got = run(text, n % 2 ? CUT : 0);
                cr_expect_null(strstr(got, "CANARY7"), "%s -> %s", text, got);
                tried++;
            }
        }
    }
    cr_expect_gt(tried, 5000);
}
