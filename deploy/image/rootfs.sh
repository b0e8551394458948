#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Lays out the files of the image, in a Debian 13 that has compiled the program:
#
#   deploy/image/rootfs.sh BUILD FOLDER
#
# FOLDER gets the program of the folder BUILD, the packages that own the libraries it loads (and what those
# load later), certificates, and an account. No shell, no package manager; a scanner finds the packages in
# var/lib/dpkg/status.d. The Dockerfile and build.sh both use this, so their images are one.
set -euo pipefail
[ $# = 2 ] || { sed -n 's/^# \{0,1\}//; 3,9p' "${BASH_SOURCE[0]}" >&2; exit 1; }
program=$1/sluice folder=$2
# Linked with what the program loads on demand (cli/ondemand.h).
linked=$1/cli/sluice_linked
user=65532

# Loaded by name when they are needed: their libraries count too. gconv, NSS and the like are a part
# of libc6; plugins of libmariadb a part of libmariadb3.
late=(libmariadb3)
# Files that no library reaches: certificates, and the time zones of windows and freezes.
extra=(base-files ca-certificates tzdata)
# Of each package all but this.
unwanted='^/usr/(share/(man|info|locale|lintian|bug|doc-base|gcc|gdb|bash-completion)|lib/[^/]*/(gconv|perl))(/|$)|^/usr/share/doc/.*/(changelog|NEWS|README|TODO|AUTHORS)|^/(etc/(ca-certificates|motd|issue|profile|update-motd.d|default|kernel)|usr/(sbin|bin|share/(base-files|ca-certificates))|var|home|root|boot|media|mnt|opt|srv)(/|$)'

# Packages that own the libraries of these files.
owners() {
    local library
    # A file beside the linker's usual places answers under another name (/lib is /usr/lib).
    ldd "$@" | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\/.*ld-/ { print $1 }' | sort -u |
        while read -r library; do
            dpkg -S "$(readlink -f "$library")" 2>/dev/null || dpkg -S "$library"
        done | sed 's/: .*//' | sort -u
}

plugins() { dpkg -L "${late[@]}" | grep '\.so$' || true; }

# What a package installed, as paths that exist, links included.
files_of() {
    dpkg -L "$1" | grep -Ev "$unwanted" | while IFS= read -r file; do
        # /lib and the like are links to folders below /usr here, and in the image.
        case $file in /. | /bin | /sbin | /lib | /lib64) continue ;; esac
        if [ -L "$file" ] || [ -f "$file" ]; then printf '%s\0' "${file#/}"; fi
    done
}

copy_packages() {
    local package
    mkdir -p "$folder/var/lib/dpkg/status.d" "$folder/usr/bin" "$folder/usr/lib" "$folder/usr/lib64" "$folder/usr/sbin"
    for package in bin sbin lib lib64; do ln -s "usr/$package" "$folder/$package"; done
    for package in "$@"; do
        files_of "$package" | tar -C / -c --null --files-from=- | tar -x -C "$folder" --no-same-owner
        dpkg-query -s "$package" | sed '/^Conffiles:/,/^[^ ]/{/^Conffiles:/d;/^ /d}' \
            >"$folder/var/lib/dpkg/status.d/${package%%:*}"
    done
}

# Only Debian's own certificates: the machine that builds may trust others.
certificates() {
    mkdir -p "$folder/etc/ssl/certs"
    dpkg -L ca-certificates | grep '^/usr/share/ca-certificates/.*\.crt$' | LC_ALL=C sort | xargs cat \
        >"$folder/etc/ssl/certs/ca-certificates.crt"
}

account() {
    printf 'root:x:0:0:root:/nonexistent:/usr/sbin/nologin\nsluice:x:%d:%d:Sluice:/nonexistent:/usr/sbin/nologin\n' \
        $user $user >"$folder/etc/passwd"
    printf 'root:x:0:\nsluice:x:%d:\n' $user >"$folder/etc/group"
    printf 'hosts: files dns\npasswd: files\ngroup: files\n' >"$folder/etc/nsswitch.conf"
    mkdir -p "$folder/tmp"
}

# The image must be able to start what is in it.
check() {
    local missing
    missing=$(chroot "$folder" /usr/bin/sluice version -o json 2>&1) || { # which loads all libraries
        printf 'the program does not start in its image: %s\n' "$missing" >&2
        return 1
    }
}

. /etc/os-release
[ "${VERSION_ID:-}" = 13 ] || { printf 'the image is made in Debian 13, this is %s\n' "${PRETTY_NAME:-unknown}" >&2; exit 1; }
umask 022
rm -rf "$folder"
mapfile -t late_files < <(plugins)
mapfile -t packages < <({ owners "$program" "$linked" "${late_files[@]}"; printf '%s\n' "${late[@]}" "${extra[@]}"; } |
    sed 's/:.*//' | sort -u)
copy_packages "${packages[@]}"
certificates
account
install -m 755 "$program" "$folder/usr/bin/sluice"
strip --strip-debug "$folder/usr/bin/sluice"
ln -s sluice "$folder/usr/bin/kubectl-sluice"
check
chmod -R u=rwX,go=rX "$folder"
chmod 1777 "$folder/tmp"
