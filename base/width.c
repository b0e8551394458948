/* SPDX-License-Identifier: Apache-2.0 */
/* wcwidth() under a UTF-8 locale, whatever the locale of the user is. */
#include "base/width.h"

#include <locale.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>

static locale_t utf8;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_locale(void)
{
    utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

/* Bytes of the first character, *columns what it takes. */
static size_t step(const char *text, size_t left, size_t *columns)
{
    wchar_t wide = 0;
    mbstate_t state = { 0 };
    size_t bytes = mbrtowc(&wide, text, left, &state);

    if (bytes == 0 || bytes > left) { /* no character: as a terminal that shows something for it */
        *columns = 1;
        return 1;
    }
    const int width = wcwidth(wide);
    *columns = width < 0 ? 1 : (size_t)width; /* newer than this libc: most are one wide */
    return bytes;
}

/* Without the locale: characters. */
static size_t step_plain(const char *text, size_t left, size_t *columns)
{
    size_t bytes = 1;

    while (bytes < left && ((unsigned char)text[bytes] & 0xc0) == 0x80) {
        bytes++;
    }
    *columns = 1;
    return bytes;
}

static size_t measure(const char *text, size_t most, size_t *columns)
{
    const size_t length = strlen(text);
    size_t at = 0;

    pthread_once(&once, open_locale);
    const locale_t before = utf8 ? uselocale(utf8) : (locale_t)0;
    *columns = 0;
    while (at < length) {
        size_t more = 0;
        const size_t bytes =
            utf8 ? step(text + at, length - at, &more) : step_plain(text + at, length - at, &more);
        if (more > most - *columns) {
            break;
        }
        *columns += more;
        at += bytes;
    }
    if (utf8) {
        uselocale(before);
    }
    return at;
}

size_t width_of(const char *text)
{
    size_t columns = 0;

    measure(text, SIZE_MAX, &columns);
    return columns;
}

size_t width_fit(const char *text, size_t columns)
{
    size_t taken = 0;

    return measure(text, columns, &taken);
}
