#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Debian packages that Sluice needs, by purpose: the one place that lists them.
#
#   deploy/install-packages.sh [--check | --list] GROUP…
#
#   build      compile the program          tests    compile the tests, a terminal
#   servers    databases and git servers of the demo and the integration tests
#   analysis   second compiler, format and static checks, fault injection
#   roots      make bare Debian roots and the image
#   cluster    a Kubernetes node            flyway   fetch real Flyway
#   bench      count instructions, fetch other migration tools
#   package    make the Debian package      shells   try manual pages and completions
#
# Installs what is missing, as root or through sudo without a password; asks nothing, starts no
# service, creates no database cluster. If nothing is missing, neither apt nor the network is used.
# --check only looks; --list prints the names.
#
# Code: 0 all there · 3 something is missing and may not be installed here (the line to run is
# printed) · 1 the installation failed.
set -euo pipefail

# By VERSION_ID of /etc/os-release; everything else is called the same on Debian 12 and 13.
case $(. /etc/os-release && printf '%s-%s' "${ID:-}" "${VERSION_ID:-}") in
debian-12) postgresql=15 llvm=14 ;;
debian-13) postgresql=17 llvm=19 ;;
*)
    printf 'packages are listed for Debian 12 and 13 only: provide the like of these by hand:\n' >&2
    postgresql=NN llvm=NN
    ;;
esac

group_packages() {
    case $1 in
    build)
        echo gcc libc6-dev cmake ninja-build pkg-config git ca-certificates tzdata \
            libgit2-dev libpq-dev libmariadb-dev libmariadb-dev-compat libcurl4-openssl-dev \
            libcjson-dev libssl-dev libyaml-dev zlib1g-dev libmicrohttpd-dev
        ;;
    tests) echo libcriterion-dev libpg-query-dev tmux ;; # the real PostgreSQL grammar judges our splitter
    servers)
        # mariadb-server would make a data folder and a service: the core package is the server.
        echo "postgresql-$postgresql" mariadb-server-core mariadb-client mariadb-client-core \
            lighttpd lighttpd-mod-openssl openssh-server openssl pgbouncer
        ;;
    analysis)
        echo clang "libclang-rt-$llvm-dev" "llvm-$llvm" clang-format clang-tidy patch strace procps curl
        ;;
    roots) echo debootstrap mount util-linux iproute2 ;;
    cluster)
        echo containerd runc containernetworking-plugins iproute2 util-linux openssl gcc libc6-dev
        # Kubernetes is compiled with Go; Debian's is too old, pip has a new one.
        command -v go >/dev/null || echo python3-pip
        ;;
    flyway) echo python3-pip ;;
    bench) echo valgrind python3-pip ;;
    package) echo dpkg-dev file ;; # cpack finds by them what the program depends on
    shells) echo bash zsh fish man-db groff-base mandoc tmux ;;
    *)
        printf 'unknown group of packages: %s\n' "$1" >&2
        exit 1
        ;;
    esac
}

mode=install
case ${1:-} in
--check | --list)
    mode=${1#--}
    shift
    ;;
esac
if [ $# = 0 ]; then
    sed -n 's/^# \{0,1\}//; 3,19p' "${BASH_SOURCE[0]}" >&2
    exit 1
fi

wanted=()
for group in "$@"; do
    packages=$(group_packages "$group")
    read -ra list <<<"$packages"
    wanted+=("${list[@]}")
done
if [ "$mode" = list ] || [ "$postgresql" = NN ]; then
    printf '%s\n' "${wanted[@]}"
    exit 0
fi

installed=" $(dpkg-query -W -f '${db:Status-Status}:${Package} ' "${wanted[@]}" 2>/dev/null || true)"
missing=()
for package in "${wanted[@]}"; do
    case $installed in *" installed:$package "*) ;; *) missing+=("$package") ;; esac
done
[ ${#missing[@]} = 0 ] && exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
    as_root=(sudo -n)
    if ! command -v sudo >/dev/null 2>&1 || ! sudo -n true 2>/dev/null; then
        as_root=(no)
    fi
fi
if [ "$mode" = check ] || [ "${as_root[0]:-}" = no ]; then
    {
        printf 'missing packages; install them as root:\n'
        printf '  apt-get update && apt-get install --no-install-recommends %s\n' "${missing[*]}"
    } >&2
    exit 3
fi

# What the installation must not do is switched off for its time only.
undo=()
finish() {
    local file
    for file in "${undo[@]}"; do "${as_root[@]}" rm -f "$file"; done
}
trap finish EXIT
put() { # put FILE MODE LINE…: unless the file is there
    local file=$1 mode=$2
    shift 2
    [ -e "$file" ] && return 0
    "${as_root[@]}" mkdir -p "$(dirname "$file")"
    undo+=("$file")
    printf '%s\n' "$@" | "${as_root[@]}" tee "$file" >/dev/null
    "${as_root[@]}" chmod "$mode" "$file"
}
put /usr/sbin/policy-rc.d 755 '#!/bin/sh' 'exit 101'
# postgresql-NN makes a cluster "main" on its first installation.
if ! ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; then
    put /etc/postgresql-common/createcluster.d/sluice.conf 644 'create_main_cluster = false'
fi

apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
        apt-get -y -q --no-install-recommends -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" \
        </dev/null
}
printf 'installing %d packages: %s\n' "${#missing[@]}" "${missing[*]}" >&2
log=$(mktemp)
undo+=("$log")
# Old lists may still do when the network is gone; a failing installation says so.
apt update >"$log" 2>&1 || tail -n 3 "$log" >&2
if ! apt install "${missing[@]}" >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    printf 'could not install: %s\n' "${missing[*]}" >&2
    exit 1
fi
