#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every #include of the product against the table of who may know whom.
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/sources.sh"

# A folder, and the folders whose headers it may include besides its own. The longest prefix wins.
arrows='
reconcile/base
reconcile/model      reconcile/base
reconcile/migration  reconcile/base reconcile/model
reconcile/plan       reconcile/base reconcile/model reconcile/migration
reconcile/rollout    reconcile/base reconcile/model reconcile/plan
reconcile/step       reconcile/base reconcile/model reconcile/plan reconcile/rollout
database             reconcile/base reconcile/model reconcile/migration
git                  reconcile/base reconcile/model
k8s                  reconcile/base reconcile/model
local                reconcile/base reconcile/model
controller           reconcile database git k8s local
'

# Foreign headers (a prefix), and the .c files (a pattern) that may include them. What is not here
# and not of the C library is refused, and in our own .h files all of them are.
foreign='
cjson/cJSON.h   reconcile/base/json*.c
yaml.h          reconcile/base/yaml*.c
openssl/        reconcile/base/hash.c reconcile/base/secret.c
zlib.h          reconcile/base/hash.c reconcile/base/gzip.c
libpq-fe.h      database/pg*.c
mysql.h         database/my*.c
openssl/        database/mydb_peer.c
mysql/          database/my*.c
git2.h          git/*.c
git2/           git/*.c
curl/           git/*.c
openssl/        git/*.c
curl/           k8s/*.c
openssl/        k8s/*.c
microhttpd.h    controller/*.c
'

# The C library and the kernel.
libc='^(assert|ctype|dirent|dlfcn|errno|fcntl|float|fnmatch|getopt|grp|inttypes|langinfo|libgen|limits|locale|math|net/.*|netdb|netinet/.*|arpa/.*|poll|pthread|pwd|sched|search|signal|spawn|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|strings|sys/.*|linux/.*|syslog|termios|threads|time|unistd|wchar|wctype|regex)\.h$'

# What a pure folder may take of it: no files, no clock, no processes, no threads.
pure_folders=' reconcile/migration reconcile/plan reconcile/rollout reconcile/step '
pure_libc='^(assert|ctype|errno|float|inttypes|limits|math|stdalign|stdarg|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|strings)\.h$'
pure_base='^reconcile/base/(auto|buf|clock|err|hash|json|limits|mem|str)\.h$' # clock.h: only its text

declare -A may=()
while read -r folder others; do
    [ -z "$folder" ] || may[$folder]="$folder $others"
done <<<"$arrows"

box_of() { # the longest folder of the table that holds FILE
    local box=${1%/*}
    while [ -z "${may[$box]+set}" ]; do
        case $box in */*) box=${box%/*} ;; *) return 1 ;; esac
    done
    printf '%s' "$box"
}

allowed_own() { # BOX HEADER
    local folder
    for folder in ${may[$1]}; do case $2 in "$folder"/*) return 0 ;; esac; done
    return 1
}

allowed_foreign() { # FILE HEADER
    local prefix patterns pattern
    while read -r prefix patterns; do
        [ -n "$prefix" ] || continue
        case $2 in "$prefix"*) ;; *) continue ;; esac
        set -f
        for pattern in $patterns; do
            # shellcheck disable=SC2254
            case $1 in $pattern) set +f; return 0 ;; esac
        done
        set +f
    done <<<"$foreign"
    return 1
}

check_include() { # FILE HEADER: prints what is wrong, if anything
    local file=$1 header=$2 box pure=''
    box=$(box_of "$file") || { echo "is in a folder that the table does not know"; return; }
    case $pure_folders in *" $box "*) pure=1 ;; esac
    case $header in
    reconcile/* | database/* | git/* | k8s/* | local/* | controller/*)
        if [ ! -e "$header" ]; then
            echo "the header is not there"
        elif ! allowed_own "$box" "$header"; then
            echo "$box must not know ${header%/*}"
        elif [ -n "$pure" ] && [[ $header == reconcile/base/* ]] && ! [[ $header =~ $pure_base ]]; then
            echo "$box is pure: not this part of base"
        fi
        ;;
    *)
        if [[ $header =~ $libc ]]; then
            if [ -n "$pure" ] && ! [[ $header =~ $pure_libc ]]; then echo "$box is pure"; fi
        elif [[ $file == *.h ]]; then
            echo "a foreign header in a header of ours"
        elif ! allowed_foreign "$file" "$header"; then
            echo "a foreign header that this file may not include"
        fi
        ;;
    esac
}

# The table must refuse what it is for, else a mistake in it would pass everything.
refuses() {
    if [ -n "$(check_include "$1" "$2")" ]; then pass "$1 may not include $2"; else flunk "$1 may not include $2"; fi
}
refuses reconcile/base/str.c reconcile/model/reason.h
refuses reconcile/plan/plan.c database/database.h
refuses reconcile/plan/plan.c unistd.h
refuses reconcile/step/step.c reconcile/base/file.h
refuses database/apply.c reconcile/plan/plan.h
refuses git/repo.h git2.h
refuses local/local.c database/database.h
refuses controller/main.c libpq-fe.h
refuses git/repo.c str.h

count=0 problems=''
while IFS= read -r line; do
    file=${line%%:*}
    number=${line#*:}
    number=${number%%:*}
    header=$(sed 's/.*include *[<"]\([^>"]*\)[>"].*/\1/' <<<"$line")
    count=$((count + 1))
    problem=$(check_include "$file" "$header")
    [ -z "$problem" ] || problems+="$file:$number: $header: $problem"$'\n'
done < <(product_sources | xargs grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]')
if [ -z "$problems" ] && [ $count -gt 0 ]; then
    pass "all $count includes follow the arrows"
else
    flunk "all $count includes follow the arrows" "$problems"
fi
done_testing
