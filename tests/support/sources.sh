# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The files of this repository, for checks that read them. Run in the source root.

# sources PATTERN…: tracked files and new ones that are not ignored.
sources() {
    git -c safe.directory='*' ls-files -co --exclude-standard -- "$@" | sort -u |
        while IFS= read -r file; do [ ! -e "$file" ] || printf '%s\n' "$file"; done
}

# The C of the product itself.
product_sources() {
    sources 'base/*.[ch]' 'model/*.[ch]' 'manifest/*.[ch]' 'reconcile/*.[ch]' 'database/*.[ch]' 'git/*.[ch]' \
        'k8s/*.[ch]' 'local/*.[ch]' 'runner/*.[ch]' 'controller/*.[ch]' 'cli/*.[ch]'
}
