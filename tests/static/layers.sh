#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every #include of the product against the table of who may know whom.
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/sources.sh"

# A folder, and the folders whose headers it may include besides its own: the table of ARCHITECTURE.md.
arrows=$(sed -n '/^## Folders/,/^Beside them/p' ARCHITECTURE.md |
    sed -n 's/^| `\([a-z0-9/]*\)`[^|]*|[^|]*|\([^|]*\)|$/\1 \2/p' | sed 's/[`–]//g')

# Foreign headers (a prefix), and the .c files (a pattern) that may include them. What is not here
# and not of the C library is refused, and in our own .h files all of them are.
foreign='
cjson/cJSON.h   base/json*.c
yaml.h          base/yaml*.c
openssl/        base/hash.c base/secret.c
zlib.h          base/hash.c base/gzip.c
curl/           base/https.c
libpq-fe.h      database/postgresql/*.c
mysql.h         database/mysql/*.c
openssl/        database/mysql/peer.c
mysql/          database/mysql/*.c
git2.h          git/*.c
git2/           git/*.c
curl/           git/*.c
openssl/        git/*.c
curl/           k8s/client/*.c
openssl/        k8s/client/*.c
microhttpd.h    controller/*.c
'

# The C library and the kernel.
libc='^(assert|ctype|dirent|dlfcn|errno|fcntl|float|fnmatch|getopt|grp|inttypes|langinfo|libgen|limits|locale|malloc|math|net/.*|netdb|netinet/.*|arpa/.*|poll|pthread|pwd|sched|search|signal|spawn|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|strings|sys/.*|linux/.*|syslog|termios|threads|time|unistd|wchar|wctype|regex)\.h$'

# What a pure folder may take of it: no files, no clock, no processes, no threads.
pure_folders=' reconcile/migration reconcile/plan reconcile/rollout reconcile/step '
pure_libc='^(assert|ctype|errno|float|inttypes|limits|math|stdalign|stdarg|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|strings)\.h$'
pure_base='^base/(auto|buf|calendar|clock|err|hash|json|limits|mem|str)\.h$' # clock.h: only its text

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
    local folder box
    box=$(box_of "$2") || return 1
    for folder in ${may[$1]}; do [ "$folder" != "$box" ] || return 0; done
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
    base/* | model/* | manifest/* | reconcile/* | database/* | git/* | k8s/* | local/* | runner/* | controller/* | cli/*)
        if [ ! -e "$header" ]; then
            echo "the header is not there"
        elif ! allowed_own "$box" "$header"; then
            echo "$box must not know ${header%/*}"
        elif [ -n "$pure" ] && [[ $header == base/* ]] && ! [[ $header =~ $pure_base ]]; then
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
refuses base/str.c model/reason.h
refuses model/mplan.c manifest/fields.h
refuses reconcile/plan/plan.c database/database.h
refuses reconcile/plan/plan.c unistd.h
refuses reconcile/step/decide.c base/file.h
refuses database/apply.c reconcile/plan/plan.h
refuses database/apply.c database/postgresql/pgdb.h
refuses database/mysql/apply.c database/postgresql/pgdb.h
refuses k8s/client/kube.c k8s/platform/names.h
refuses git/repo.h git2.h
refuses local/local.c database/database.h
refuses runner/runner.c controller/internal.h
refuses controller/drive.c cli/cli.h
refuses controller/http.c libpq-fe.h
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

# Libraries: what a folder links is what it may include, and each folder has one.
problems=''
for folder in "${!may[@]}"; do
    lists=$folder/CMakeLists.txt
    if [ ! -e "$lists" ]; then problems+="$folder has no CMakeLists.txt"$'\n'; continue; fi
    name=$(sed -n 's/^sluice_folder(\([a-z0-9_]*\)$/\1/p' "$lists")
    case $folder:$name in
    cli:terminal | k8s/client:k8s_client | k8s/platform:k8s_platform) ;;
    *:"${folder##*/}") ;;
    *) problems+="$lists: the library is called \"$name\""$'\n' ;;
    esac
    for linked in $(sed -n '/LINK/,/FOREIGN\|)/p' "$lists" | grep -oE 'sluice_[a-z0-9_]+' | sed 's/^sluice_//'); do
        found=''
        for other in ${may[$folder]}; do
            case $linked in "$other" | "${other##*/}" | "${other/\//_}") found=1 ;; esac
        done
        [ -n "$found" ] || problems+="$lists links $linked, which ARCHITECTURE.md does not allow"$'\n'
    done
done
is "the libraries agree with the table" "$problems" ''
done_testing
