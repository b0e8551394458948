# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Bare Debian roots to try the scripts in: debootstrap's minimal set and git, bash, ca-certificates.
# Needs root. Everything about mirrors, proxies and certificates comes from this machine's own
# configuration.
#
#   root_need                        ends the script with 77 if it cannot be done here
#   root_make SUITE                  $root_dir = a fresh writable root
#   root_open FOLDER                 the same from a root that somebody made before
#   root_run SECONDS [net|nonet] SCRIPT [ARGUMENT…]   bash -c SCRIPT inside
#   root_done                        unmounts and removes it
. "$SLUICE_SOURCE/tests/support/cache.sh"
root_dir='' root_work=''

root_need() {
    [ "$(id -u)" = 0 ] || skip_all "bare roots need root"
    local program
    for program in debootstrap unshare mount chroot ip; do
        command -v "$program" >/dev/null || skip_all "$program is not installed"
    done
    unshare --mount --pid --fork --kill-child --net true 2>/dev/null ||
        skip_all "this machine does not allow namespaces (unshare)"
}

# The mirror of this machine that has Debian's main archive.
root_mirror() {
    local codename
    codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk -v release="$codename" '$2 == release && $3 == "main" { print $1; exit }'
}

# apt's settings about the network, as the root shall have them too. A program that finds a proxy
# does not exist inside.
root_apt_settings() { apt-config dump | grep -E '^Acquire::(http|https|Retries)' | grep -v -i 'auto-detect' || true; }

# The environment's settings about the network, NAME=VALUE, one a line.
root_environment() {
    env | grep -iE '^(http_proxy|https_proxy|no_proxy|all_proxy|SSL_CERT_FILE|SSL_CERT_DIR|CURL_CA_BUNDLE|GIT_SSL_CAINFO|PIP_CERT|REQUESTS_CA_BUNDLE)=' || true
}

root_bootstrap() { # SUITE FOLDER
    local mirror proxy
    mirror=$(root_mirror)
    if [ -z "$mirror" ]; then
        echo "apt's sources name no Debian mirror" >&2
        return 1
    fi
    proxy=$(apt-config dump --format '%v' Acquire::http::Proxy)
    http_proxy=${http_proxy:-$proxy} debootstrap --variant=minbase --include=bash,git,ca-certificates \
        "$1" "$2" "$mirror" || return 1
    # What was downloaded to make it is not a part of it.
    rm -rf "$2/debootstrap" "$2"/var/cache/apt/archives/*.deb "$2"/var/lib/apt/lists/*
}

# This machine's way to the network.
root_connect() {
    local file name
    cp /etc/resolv.conf "$root_dir/etc/resolv.conf"
    name=$(root_mirror | sed 's,^[a-z]*://\([^/:]*\).*,\1,')
    if grep -qsw "$name" /etc/hosts; then grep -w "$name" /etc/hosts >"$root_dir/etc/hosts"; fi
    root_apt_settings >"$root_dir/etc/apt/apt.conf.d/80machine"
    for file in /etc/apt/auth.conf /etc/apt/auth.conf.d; do
        [ ! -e "$file" ] || cp -a "$file" "$root_dir/etc/apt/"
    done
    if compgen -G '/usr/local/share/ca-certificates/*' >/dev/null; then
        cp /usr/local/share/ca-certificates/* "$root_dir/usr/local/share/ca-certificates/"
    fi
    cp /etc/ssl/certs/ca-certificates.crt "$root_dir/etc/ssl/certs/ca-certificates.crt"
}

root_make() {
    local suite=$1 key
    # A month, because the release moves; the text of the recipe, because it makes the content.
    key=root-$suite-$( (declare -f root_bootstrap; dpkg --print-architecture; date -u +%Y-%m) | sha256sum | cut -c1-16)
    cache_build "$key" root_bootstrap "$suite" || return 1
    root_open "$cache_path"
}

root_open() {
    root_work=$(mktemp -d /tmp/slroot-XXXXXX)
    root_dir=$root_work/root
    mkdir "$root_dir" "$root_work/upper" "$root_work/work"
    mount -t overlay -o "lowerdir=$1,upperdir=$root_work/upper,workdir=$root_work/work" \
        overlay "$root_dir" 2>/dev/null || cp -a "$1/." "$root_dir/"
    root_connect
}

root_done() {
    trap '' INT TERM HUP # timeout sends its signal twice
    [ -n "$root_work" ] || return 0
    if mountpoint -q "$root_dir"; then umount -l "$root_dir"; fi
    rm -rf --one-file-system "$root_work"
    root_work=''
}

# What happens inside the new namespaces, before the chroot.
root_enter='
set -e
r=$1
shift
mount --rbind "$r" "$r"
mount -t proc proc "$r/proc"
mount -t tmpfs -o mode=755 tmpfs "$r/dev"
mknod -m 666 "$r/dev/null" c 1 3
mknod -m 666 "$r/dev/zero" c 1 5
mknod -m 666 "$r/dev/full" c 1 7
mknod -m 666 "$r/dev/random" c 1 8
mknod -m 666 "$r/dev/urandom" c 1 9
mknod -m 666 "$r/dev/tty" c 5 0
ln -s /proc/self/fd "$r/dev/fd"
ln -s fd/0 "$r/dev/stdin"
ln -s fd/1 "$r/dev/stdout"
ln -s fd/2 "$r/dev/stderr"
mkdir "$r/dev/pts" "$r/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$r/dev/pts"
ln -s pts/ptmx "$r/dev/ptmx"
mount -t tmpfs -o mode=1777 tmpfs "$r/dev/shm"
mount -t tmpfs -o mode=755 tmpfs "$r/run"
if [ "$ROOT_NET" = nonet ]; then ip link set lo up; fi
unset ROOT_NET
exec chroot "$r" "$@"
'

root_run() {
    local seconds=$1 net=$2 script=$3 options=(--mount --pid --fork --kill-child --propagation private)
    shift 3
    [ "$net" = net ] || options+=(--net)
    local environment=()
    readarray -t environment < <(root_environment)
    ROOT_NET=$net timeout -k 30 "$seconds" unshare "${options[@]}" bash -c "$root_enter" bash "$root_dir" \
        /usr/bin/env -i HOME=/root TERM="${TERM:-dumb}" "${environment[@]}" \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        bash -c "$script" bash "$@" </dev/null
}
