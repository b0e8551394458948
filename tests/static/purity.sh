#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The pure folders call nothing that reads or changes the world: what their libraries leave
# undefined is compared with a list. Of model and base they may call what is pure itself.
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"

# Functions of the C library, and why each group is harmless.
libc='
abort __assert_fail __stack_chk_fail                      ends the process: a broken invariant
calloc malloc realloc reallocarray free                   memory of our own
strdup strndup __strdup __strndup explicit_bzero __explicit_bzero_chk    memory of our own
memchr memcmp memcpy memmem memmove memrchr memset        bytes in memory
mempcpy __memcpy_chk __memmove_chk __memset_chk __mempcpy_chk       the same, checked
strlen strnlen strcmp strncmp strcasecmp strncasecmp      text in memory
strchr strchrnul strrchr strstr strcasestr strspn strcspn strpbrk   text in memory
__memcpy_chk __strcpy_chk __strncpy_chk stpcpy __stpcpy_chk         text in memory
qsort bsearch                                             order
snprintf vsnprintf __snprintf_chk __vsnprintf_chk         format into memory
asprintf vasprintf __asprintf_chk __vasprintf_chk         format into memory
__ctype_b_loc __ctype_tolower_loc __ctype_toupper_loc tolower toupper isalpha   C locale tables
ceil floor fmod llround lround isnan trunc strtod          arithmetic
__errno_location                                          only tells
_GLOBAL_OFFSET_TABLE_                                     the linker
'

# Of base, whole files whose functions work on their arguments alone …
pure_base='err mem buf buf_check str mask json json_check json_write gzip yaml yaml_scalar secret limits calendar'
# … and single functions of the others.
pure_functions='time_format time_format_micro time_parse duration_parse duration_format duration_format_short backoff_ms
    sha256 sha256_hex sha256_new sha256_add sha256_copy sha256_end hmac_sha256 bytes_equal_consttime crc32_add
    hex_format hex_parse base64_format base64_parse zone_offset zone_instant'

library() { # FOLDER
    local file
    file=$(find "$SLUICE_BUILD/$1" "$SLUICE_BUILD/reconcile/$1" -maxdepth 1 -name "libsluice_$1.a" 2>/dev/null || true)
    [ -n "$file" ] || { echo "there is no library $1 in $SLUICE_BUILD" >&2; exit 1; }
    printf '%s' "$file"
}

defined_by() { nm --defined-only --format=posix "$1" 2>/dev/null | awk 'NF > 2 && $2 ~ /^[TDBRVWC]$/ { print $1 }'; }
undefined_by() { nm --undefined-only --format=posix "$1" 2>/dev/null | awk '$2 == "U" || $2 == "w" { print $1 }' | sort -u; }

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

mkdir "$folder/base" "$folder/model"
for part in base model; do (cd "$folder/$part" && ar x "$(library $part)"); done
{
    sed 's/ \{4,\}.*//' <<<"$libc" | tr ' ' '\n'
    tr -s ' \n' '\n' <<<"$pure_functions"
    for file in $pure_base; do [ ! -e "$folder/base/$file.c.o" ] || defined_by "$folder/base/$file.c.o"; done
} | grep . | sort -u >"$folder/outside"

# The files of model that call something else are not pure, nor those that call them.
impure=''
while :; do
    {
        cat "$folder/outside"
        for file in "$folder"/model/*.o; do
            case " $impure " in *" $file "*) ;; *) defined_by "$file" ;; esac
        done
    } | sort -u >"$folder/allowed"
    more=''
    for file in "$folder"/model/*.o; do
        case " $impure " in *" $file "*) continue ;; esac
        [ -z "$(undefined_by "$file" | comm -23 - "$folder/allowed")" ] || more="$more $file"
    done
    [ -n "$more" ] || break
    impure="$impure$more"
done
for file in $impure; do echo "# not pure: model/$(basename "$file" .o)"; done

{
    cat "$folder/allowed"
    for part in migration plan rollout step; do defined_by "$(library $part)"; done
} | sort -u >"$folder/allowed.new"
mv "$folder/allowed.new" "$folder/allowed"
for part in migration plan rollout step; do
    undefined_by "$(library $part)" >"$folder/undefined"
    is "$part calls nothing outside the list" "$(comm -23 "$folder/undefined" "$folder/allowed" | tr '\n' ' ')" ''
done

# The files of base that are taken as harmless must be so themselves; their last words before an
# abort go to stderr.
for file in $pure_base; do
    [ -e "$folder/base/$file.c.o" ] || continue
    undefined_by "$folder/base/$file.c.o" | grep -Ev '^(yaml_|cJSON_|inflate|deflate|crc32|fwrite$|fputs$|stderr$)' >"$folder/undefined" || true
    is "base/$file.c too" "$(comm -23 "$folder/undefined" "$folder/allowed" | tr '\n' ' ')" ''
done

# The list itself must not let the world in.
for name in open read write fopen getenv time clock_gettime gettimeofday socket connect fork rand \
    pthread_create clock_mono_ms clock_utc_ms jitter_ms random_bytes getrandom file_read proc_spawn log_write PQexec mysql_query; do
    ! grep -qx "$name" "$folder/allowed" || flunk "the list does not hold $name"
done
pass "the list holds no door to the world"
done_testing
