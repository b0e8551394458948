# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The commands that messages print: whole, in backticks, beginning with `sluice`.
#
#   printed TEXT            those of TEXT, one a line, in their order
#   follow TEXT [REGEX]     runs the first one (that matches REGEX) as it is printed, as a person would who pastes
#                           it into the shell that sluice was called from
#
# A command without an option is a name that is spoken of (`sluice migrate`), not one to be pasted.

printed() { grep -oE '`sluice [a-z]+ [^`]+`' <<<"$1" | sed 's/^`//; s/`$//'; }

follow() {
    local command
    command=$(printed "$1" | grep -E -- "${2-}" | head -n 1)
    if [ -z "$command" ]; then
        printf 'no command that matches "%s" in: %s\n' "${2-}" "$1" >&2
        return 99
    fi
    PATH=$(dirname "$SLUICE"):$PATH bash -c "$command"
}
