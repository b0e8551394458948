/* SPDX-License-Identifier: Apache-2.0 */
/* Memory, buffers, errors, digests, encodings, gzip, secrets. */
#include <stdlib.h>
#include "base/auto.h"
#include "base/buf.h"
#include "base/gzip.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"
#include "tests/unit/rows.h"

TestSuite(bytes, .timeout = 60);

Test(bytes, a_grown_array_is_zero_behind_its_old_end)
{
    size_t cap = 0;
    int *array = NULL;
    for (size_t i = 0; i < 1000; i++) {
        array = mem_grow(array, &cap, i + 1, sizeof *array);
        cr_assert(array[i] == 0 && cap > i);
        array[i] = (int)i + 1;
    }
    cr_expect(array[0] == 1 && array[999] == 1000);
    free(array);
    cr_expect(mem_strdup(NULL) == NULL);
    AUTO(free_auto) char *text = mem_strndup("a\0b", 3);
    cr_expect(memcmp(text, "a\0b", 4) == 0);
}

Test(bytes, a_text_may_be_set_to_a_part_of_itself)
{
    AUTO(free_auto) char *text = NULL;
    mem_strset(&text, "before and behind");
    check_text("set", text, "before and behind");
    mem_strset(&text, text + 11);
    check_text("a part of it", text, "behind");
    mem_strset(&text, NULL);
    cr_expect(text == NULL);
}

Test(bytes, fnv_is_the_published_one_and_goes_on_where_it_was)
{
    cr_expect(fnv_add(FNV_START, "", 0) == 0xcbf29ce484222325u);
    cr_expect(fnv_add(FNV_START, "foobar", 6) == 0x85944171f73967e8u);
    cr_expect(fnv_add(fnv_add(FNV_START, "foo", 3), "bar", 3) == 0x85944171f73967e8u);
    cr_expect(fnv_add(FNV_START, "\xff", 1) == 0xaf64724c8602eb6eu);
}

Test(bytes, a_buffer_refuses_what_passes_its_maximum)
{
    AUTO(buf_done) struct buf b = BUF(5);
    check_text("nothing yet", buf_text(&b), "");
    buf_adds(&b, "abc");
    buf_addf(&b, "%d", 12);
    check_text("full to the brim", buf_text(&b), "abc12");
    cr_expect(!b.failed);
    buf_addc(&b, 'x');
    buf_adds(&b, "");
    check_text("unchanged", buf_text(&b), "abc12");
    check_error("one check at the end", buf_check(&b, "SourceTooLarge", "the file"),
                "the file is larger than 5 bytes");
    buf_reset(&b);
    check_error("a reset buffer is whole again", buf_check(&b, "SourceTooLarge", "the file"), NULL);
    buf_addf(&b, "%s", "123456");
    cr_expect(b.failed && b.len == 0, "a formatted text is added whole or not at all");
    check_text("nothing of it stays", buf_text(&b), "");
    buf_reset(&b);
    buf_adds(&b, "12345");
    AUTO(free_auto) char *taken = buf_take(&b);
    check_text("taken", taken, "12345");
    cr_expect(b.len == 0 && b.max == 5);
    AUTO(free_auto) char *empty = buf_take(&b);
    check_text("empty", empty, "");
}

Test(bytes, a_formatted_text_goes_behind_what_is_there)
{
    AUTO(buf_done) struct buf b = BUF(1000);
    size_t want = 0;
    for (int width = 1; width < 60;
         width++) { /* some fit into what is allocated, some do not, some just */
        buf_addf(&b, "%*d", width, width % 10);
        want += (size_t)width;
        if (want > 1000) {
            break;
        }
        cr_expect(!b.failed && b.len == want && strlen(b.data) == want, "width %d", width);
        cr_expect_eq(b.data[want - 1], '0' + width % 10, "width %d", width);
    }
    cr_expect(b.failed && b.len == 990 && strlen(b.data) == 990);
}

static int compares;

static int by_value(const void *a, const void *b)
{
    const int x = *(const int *)a, y = *(const int *)b;
    compares++;
    return (x > y) - (x < y);
}

Test(bytes, what_is_in_order_is_not_sorted_again)
{
    static const struct {
        const char *name;
        int items[4];
        size_t count;
        int want[4];
        bool once; /* one look, and no sorting */
    } rows[] = {
        { "in order", { 1, 2, 2, 4 }, 4, { 1, 2, 2, 4 }, true },
        { "the last out of order", { 1, 2, 4, 3 }, 4, { 1, 2, 3, 4 }, false },
        { "the first out of order", { 2, 1, 3, 4 }, 4, { 1, 2, 3, 4 }, false },
        { "backwards", { 4, 3, 2, 1 }, 4, { 1, 2, 3, 4 }, false },
        { "one", { 9 }, 1, { 9 }, true },
        { "none", { 0 }, 0, { 0 }, true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int items[4];
        memcpy(items, rows[i].items, sizeof items);
        compares = 0;
        mem_sort(items, rows[i].count, sizeof *items, by_value);
        cr_expect(memcmp(items, rows[i].want, sizeof items) == 0, "%s", rows[i].name);
        cr_expect(!rows[i].once || compares + 1 <= (int)rows[i].count + (rows[i].count == 0),
                  "%s: %d", rows[i].name, compares);
    }
    mem_sort(NULL, 0, sizeof(int), by_value);
}

Test(bytes, messages_are_one_printable_bounded_line)
{
    struct err *e = err_new(ERR_TRANSIENT, "X", "%s", "server says:\nboo\x1b[0m");
    check_text("made printable", e->message, "server says:\\nboo\\x1b[0m");
    e = err_wrap(e, "file %d\n", 7);
    check_text("wrapped", e->message, "file 7\\n: server says:\\nboo\\x1b[0m");
    cr_expect(e->kind == ERR_TRANSIENT && str_eq(e->reason, "X"));
    err_free(e);

    AUTO(free_auto) char *longer = mem_alloc(3 * LIMIT_ERR_MESSAGE + 2);
    for (int i = 0; i < LIMIT_ERR_MESSAGE; i++) {
        memcpy(longer + 3 * i + 1, "\xe2\x82\xac", 3);
    }
    longer[0] = 'x';
    e = err_new(ERR_WAIT, "X", "%s", longer);
    cr_expect(strlen(e->message) <= LIMIT_ERR_MESSAGE &&
              strlen(e->message) > LIMIT_ERR_MESSAGE - 3);
    cr_expect(str_utf8_valid(e->message, strlen(e->message)) == strlen(e->message));
    err_free(e);
    cr_expect(err_wrap(NULL, "nothing") == NULL);
    err_free(NULL);
}

Test(bytes, digests_match_published_vectors)
{
    char hex[SHA256_HEX_LEN + 1];
    uint8_t digest[SHA256_LEN];
    sha256_hex("", 0, hex);
    check_text("SHA-256 of nothing", hex,
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_hex("abc", 3, hex);
    check_text("SHA-256 of abc", hex,
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    struct sha256 *h = sha256_new();
    sha256_add(h, "a", 1);
    sha256_add(h, NULL, 0);
    sha256_add(h, "bc", 2);
    sha256_end(h, digest);
    char streamed[SHA256_HEX_LEN + 1];
    hex_format(digest, SHA256_LEN, streamed);
    check_text("streamed", streamed, hex);

    hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, digest); /* RFC 4231, case 2 */
    hex_format(digest, SHA256_LEN, hex);
    check_text("HMAC", hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    cr_expect(crc32_add(0, "123456789", 9) == 0xcbf43926);
    cr_expect(crc32_add(crc32_add(0, "1234", 4), "56789", 5) == 0xcbf43926);
    cr_expect(bytes_equal_consttime("abc", "abc", 3) && !bytes_equal_consttime("abc", "abd", 3));
}

Test(bytes, hex_is_strict)
{
    uint8_t out[4];
    cr_expect(hex_parse("00fFaB", 6, out) && out[0] == 0 && out[1] == 0xff && out[2] == 0xab);
    cr_expect(!hex_parse("0", 1, out) && !hex_parse("0g", 2, out) && hex_parse("", 0, out));
}

Test(bytes, base64_is_strict)
{
    static const struct {
        const char *plain, *text;
    } good[] = { { "", "" },
                 { "f", "Zg==" },
                 { "fo", "Zm8=" },
                 { "foo", "Zm9v" },
                 { "foob", "Zm9vYg==" },
                 { "fooba", "Zm9vYmE=" },
                 { "\xff\xfe", "//4=" } };
    for (size_t i = 0; i < ROWS(good); i++) {
        AUTO(buf_done) struct buf coded = BUF(100);
        AUTO(buf_done) struct buf plain = BUF(100);
        base64_format(good[i].plain, strlen(good[i].plain), &coded);
        check_text(good[i].plain, buf_text(&coded), good[i].text);
        cr_expect(base64_parse(good[i].text, strlen(good[i].text), &plain));
        check_text(good[i].text, buf_text(&plain), good[i].plain);
    }
    static const char *const bad[] = { "Z",      "Zg",   "Zg=",  "Zg==Zg==", "Z===", "====",
                                       "Zm9v\n", "Zh==", "Zm9=", "Zm-_",     "=Zg=" };
    for (size_t i = 0; i < ROWS(bad); i++) {
        AUTO(buf_done) struct buf plain = BUF(100);
        cr_expect(!base64_parse(bad[i], strlen(bad[i]), &plain), "%s", bad[i]);
    }
}

Test(bytes, random_values_have_their_form)
{
    char a[37];
    char b[37];
    random_uuid(a);
    random_uuid(b);
    cr_expect(strcmp(a, b) != 0 && strlen(a) == 36 && a[14] == '4' && strchr("89ab", a[19]), "%s",
              a);
    char hex[34];
    random_hex(hex, 33);
    cr_expect(strlen(hex) == 33 && strspn(hex, "0123456789abcdef") == 33);
}

Test(bytes, gzip_returns_what_went_in)
{
    static const size_t sizes[] = { 0, 1, 65535, 65536, 65537, 3000000 };
    for (size_t i = 0; i < ROWS(sizes); i++) {
        size_t n = sizes[i];
        AUTO(free_auto) char *bytes = mem_alloc(n + 1);
        random_bytes(bytes, n / 2); /* half of it does not compress */
        AUTO(buf_done) struct buf packed = BUF(4000000);
        AUTO(buf_done) struct buf again = BUF(4000000);
        AUTO(buf_done) struct buf plain = BUF(n);
        gzip_pack(bytes, n, &packed);
        gzip_pack(bytes, n, &again);
        cr_expect(packed.len == again.len && memcmp(packed.data, again.data, packed.len) == 0,
                  "same bytes");
        check_error("unpacked", gzip_unpack(packed.data, packed.len, &plain), NULL);
        cr_expect(plain.len == n && memcmp(buf_text(&plain), bytes, n) == 0, "%zu bytes", n);
    }
}

Test(bytes, damaged_gzip_is_refused)
{
    char text[200000];
    memset(text, 'a', sizeof text);
    AUTO(buf_done) struct buf packed = BUF(100000);
    AUTO(buf_done) struct buf out = BUF(300000);
    gzip_pack(text, sizeof text, &packed);
    for (size_t cut = 0; cut < packed.len; cut++) {
        buf_reset(&out);
        struct err *e = gzip_unpack(packed.data, cut, &out);
        cr_expect(e && str_eq(e->reason, "AssignmentStale"), "cut at %zu", cut);
        err_free(e);
    }
    buf_addc(&packed, '\0');
    buf_reset(&out);
    check_error("a byte behind the end", gzip_unpack(packed.data, packed.len, &out),
                "behind its end");
    packed.data[packed.len - 4] ^= 1;
    buf_reset(&out);
    check_error("a changed length", gzip_unpack(packed.data, packed.len - 1, &out), "damaged");
    AUTO(buf_done) struct buf small = BUF(sizeof text - 1);
    packed.data[packed.len - 4] ^= 1;
    check_error("more than the limit", gzip_unpack(packed.data, packed.len - 1, &small),
                "larger than");
    check_error("not gzip", gzip_unpack("hello, world", 12, &out), "damaged");
}

Test(bytes, a_secret_is_copied_and_wiped)
{
    char word[] = "hunter2";
    struct secret s = secret_make(word, 7);
    struct secret copy = secret_copy(&s);
    word[0] = 'X';
    cr_expect(secret_set(&s) && str_eq(copy.bytes, "hunter2") && copy.bytes != s.bytes);
    secret_wipe(s.bytes, s.length);
    cr_expect(memcmp(s.bytes, "\0\0\0\0\0\0\0", 7) == 0);
    secret_done(&s);
    secret_done(&copy);
    struct secret none = secret_make(NULL, 0);
    cr_expect(!secret_set(&none) && !secret_set(&s));
    secret_done(&none);
    struct kvlist list = { 0 };
    kvlist_set(&list, "password", "x");
    secret_kvlist_done(&list);
    cr_expect(list.count == 0);
}
