/* SPDX-License-Identifier: Apache-2.0 */
/* Printing: foreign text made printable, aligned and coloured in one place. */
#include "cli/say.h"

#include <assert.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/width.h"
#include "cli/live.h"

#define SAID_MAX ((size_t)64 << 20) /* bytes of one call */

/* ---- format ------------------------------------------------------------------------------------- */

struct spec { /* one conversion */
    bool left, zero;
    int width, precision; /* precision -1: none */
    int longs;            /* 1: l, z; 2: ll */
    bool size;            /* z */
    char letter;
};

static int take_number(const char **at, va_list *args)
{
    int number = 0;

    if (**at == '*') {
        (*at)++;
        return va_arg(*args, int);
    }
    while (**at >= '0' && **at <= '9') {
        number = number * 10 + (*(*at)++ - '0');
    }
    return number;
}

/* Behind the '%'. */
static struct spec take_spec(const char **at, va_list *args)
{
    struct spec s = { .precision = -1 };

    for (; **at == '-' || **at == '0'; (*at)++) {
        s.left = s.left || **at == '-';
        s.zero = s.zero || **at == '0';
    }
    s.width = take_number(at, args);
    if (**at == '.') {
        (*at)++;
        s.precision = take_number(at, args);
    }
    for (; **at == 'l' || **at == 'z' || **at == 'h'; (*at)++) {
        s.longs += **at == 'l';
        s.size = s.size || **at == 'z';
    }
    s.letter = *(*at)++;
    return s;
}

static void add_padded(struct buf *out, const struct spec *s, const char *text)
{
    const size_t columns = width_of(text);
    const size_t wanted = s->width > 0 ? (size_t)s->width : 0;
    const int blanks = columns < wanted ? (int)(wanted - columns) : 0;

    buf_addf(out, "%*s", s->left ? 0 : blanks, "");
    buf_adds(out, text);
    buf_addf(out, "%*s", s->left ? blanks : 0, "");
}

/* Without the beginning of a character that the precision has cut; nothing behind `length` may be read. */
static size_t whole_characters(const char *text, size_t length)
{
    for (size_t back = 1; back <= 3 && back <= length; back++) {
        const unsigned char c = (unsigned char)text[length - back];
        if ((c & 0xc0) != 0x80) {
            const size_t bytes = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
            return bytes > back ? length - back : length;
        }
    }
    return length;
}

static void add_text(struct buf *out, const struct spec *s, const char *text)
{
    const char *foreign = text ? text : "(null)";
    const size_t most = s->precision < 0 ? PTRDIFF_MAX : (size_t)s->precision;
    const size_t length = strnlen(foreign, most);
    AUTO(free_auto)
    char *clean =
        str_printable(foreign, length == most ? whole_characters(foreign, length) : length);

    add_padded(out, s, clean);
}

static void add_number(struct buf *out, const struct spec *s, bool negative, uint64_t value)
{
    char digits[32];

    snprintf(digits, sizeof digits, s->letter == 'x' ? "%llx" : "%llu", (unsigned long long)value);
    const int length = (int)strlen(digits) + negative;
    const int zeros = s->zero && !s->left && s->width > length ? s->width - length : 0;
    char text[128];
    snprintf(text, sizeof text, "%s%.*s%s", negative ? "-" : "", zeros < 64 ? zeros : 64,
             "0000000000000000000000000000000000000000000000000000000000000000", digits);
    add_padded(out, s, text);
}

static void add_signed(struct buf *out, const struct spec *s, va_list *args)
{
    const int64_t value = s->size        ? va_arg(*args, ssize_t)
                          : s->longs > 1 ? va_arg(*args, long long)
                          : s->longs     ? va_arg(*args, long)
                                         : va_arg(*args, int);

    add_number(out, s, value < 0, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

static void add_unsigned(struct buf *out, const struct spec *s, va_list *args)
{
    const uint64_t value = s->size        ? va_arg(*args, size_t)
                           : s->longs > 1 ? va_arg(*args, unsigned long long)
                           : s->longs     ? va_arg(*args, unsigned long)
                                          : va_arg(*args, unsigned);

    add_number(out, s, false, value);
}

static void add_conversion(struct buf *out, const struct spec *s, va_list *args)
{
    char one[400]; /* a double may have 309 digits */

    switch (s->letter) {
    case 's':
        add_text(out, s, va_arg(*args, const char *));
        break;
    case 'c':
        one[0] = (char)va_arg(*args, int);
        add_text(out, &(struct spec){ .left = s->left, .width = s->width, .precision = 1 }, one);
        break;
    case 'd':
    case 'i':
        add_signed(out, s, args);
        break;
    case 'u':
    case 'x':
        add_unsigned(out, s, args);
        break;
    case 'f':
        snprintf(one, sizeof one, "%.*f", s->precision < 0 ? 6 : s->precision % 16,
                 va_arg(*args, double));
        add_padded(out, s, one);
        break;
    case '%':
        buf_addc(out, '%');
        break;
    default:
        assert(false); // a conversion that the header does not name
    }
}

static void add_formatted(struct buf *out, const char *fmt, va_list *args)
{
    while (*fmt) {
        const size_t plain = strcspn(fmt, "%");
        buf_add(out, fmt, plain);
        fmt += plain;
        if (*fmt == '%') {
            fmt++;
            const struct spec s = take_spec(&fmt, args);
            add_conversion(out, &s, args);
        }
    }
}

/* ---- colour ------------------------------------------------------------------------------------- */

enum color {
    COLOR_AUTO,
    COLOR_ALWAYS,
    COLOR_NEVER
};
static atomic_int wanted;

bool say_color(const char *when)
{
    static const char *const words[] = { "auto", "always", "never" };

    for (int i = COLOR_AUTO; i <= COLOR_NEVER; i++) {
        if (str_eq(words[i], when)) {
            atomic_store(&wanted, i);
            return true;
        }
    }
    return false;
}

static bool in_color(FILE *stream)
{
    const char *no = getenv("NO_COLOR"); /* https://no-color.org */
    const int when = atomic_load(&wanted);

    return when == COLOR_ALWAYS || (when == COLOR_AUTO && !(no && *no) && live_terminal(stream));
}

static const char *const inks[] = {
    [INK_PLAIN] = "",       [INK_HEAD] = "\033[1m",  [INK_GOOD] = "\033[32m",
    [INK_BAD] = "\033[31m", [INK_WAIT] = "\033[33m", [INK_DIM] = "\033[2m",
};

/* ---- streams ------------------------------------------------------------------------------------ */

static void put(FILE *stream, const char *text, size_t length)
{
    if (length == 0) {
        return;
    }
    const bool live = live_pause();
    fwrite(text, 1, length, stream);
    if (live) { /* two streams, one terminal: in this order */
        fflush(stream);
    }
    live_resume(text[length - 1] == '\n');
}

static void print(FILE *stream, enum ink ink, const char *fmt, va_list *args)
{
    AUTO(buf_done) struct buf out = BUF(SAID_MAX);
    const bool colored = ink != INK_PLAIN && in_color(stream);

    buf_adds(&out, colored ? inks[ink] : "");
    add_formatted(&out, fmt, args);
    buf_adds(&out, colored ? "\033[0m" : "");
    put(stream, buf_text(&out), out.len);
}

void say(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    print(stdout, INK_PLAIN, fmt, &args);
    va_end(args);
}

void complain(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    print(stderr, INK_PLAIN, fmt, &args);
    va_end(args);
}

void say_in(enum ink ink, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    print(stdout, ink, fmt, &args);
    va_end(args);
}

void complain_in(enum ink ink, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    print(stderr, ink, fmt, &args);
    va_end(args);
}

static void put_lines(FILE *stream, const char *text)
{
    AUTO(free_auto) char *clean = str_printable_lines(text, strlen(text));

    put(stream, clean, strlen(clean));
}

void say_lines(const char *text)
{
    put_lines(stdout, text);
}

void complain_lines(const char *text)
{
    put_lines(stderr, text);
}
