#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The manual pages and the completions of bash, zsh and fish have every command and every option that --help shows, and no
# other: the pages as man shows them, the completions by the shells themselves.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"

pages=$SLUICE_BUILD/pages
export LC_ALL=C.UTF-8 MANWIDTH=200 MANPAGER=cat
readarray -t commands < <("$SLUICE" help | sed -n 's/^  \([a-z]*\) .*/\1/p')
[ ${#commands[@]} -gt 15 ] || flunk "there are commands" "${commands[@]}"

spellings() { grep -oE -- '--?[a-zA-Z][a-z0-9-]*' | LC_ALL=C sort -u; }
# The options of COMMAND, all its forms, as --help shows them: at the beginning of a line.
helped() { "$SLUICE" help "$1" | grep -oE '^ +(-[a-zA-Z], )?--[a-z][a-z0-9-]*' | spellings; }
of_all() { # FUNCTION: what it says of each command, behind the command's name
    local command
    for command in "${commands[@]}"; do "$1" "$command" | sed "s/^/$command /"; done
}
wanted=$(of_all helped)
[ "$(wc -l <<<"$wanted")" -gt 200 ] || flunk "there are options" "$wanted"

# ---- manual pages -----------------------------------------------------------------------------------------------

is "a manual page for each command, and one for the program" \
    "$(cd "$pages" && printf '%s\n' *.1 | sort)" "$({ echo sluice.1; printf 'sluice-%s.1\n' "${commands[@]}"; } | sort)"
if command -v man >/dev/null; then
    shown() { man -l "$pages/sluice-$1.1" 2>/dev/null | grep -oE '^ +(-[a-zA-Z], )?--[a-z][a-z0-9-]*' | spellings; }
    is "the pages have the options" "$(of_all shown)" "$wanted"
    is "man has nothing to complain of" \
        "$(for page in "$pages"/*.1; do man --warnings -E UTF-8 -l "$page" 2>&1 >/dev/null; done)" ''
    man -l "$pages/sluice.1" >program.txt
    for section in NAME SYNOPSIS DESCRIPTION COMMANDS OPTIONS 'EXIT STATUS' ENVIRONMENT 'SEE ALSO'; do
        ok "sluice(1) has the section $section" grep -qx "$section" program.txt
    done
    is "sluice(1) leads to each command" \
        "$(sed -n '/^COMMANDS/,/^OPTIONS/p' program.txt | grep -oE '^ +sluice-[a-z]+\(1\)' | tr -d ' ')" \
        "$(printf 'sluice-%s(1)\n' "${commands[@]}")"
    is "its exit codes are those of docs/reference/commands.md" \
        "$(sed -n '/^EXIT STATUS/,/^ENVIRONMENT/p' program.txt | grep -oE '^ +[0-9]+ ' | tr -d ' ')" \
        "$(sed -n '/^## Exit codes/,/^## JSON/s/^| \([0-9]*\) |.*/\1/p' "$SLUICE_SOURCE/docs/reference/commands.md" | grep .)"
    is "a page has the variables that its options name" \
        "$(man -l "$pages/sluice-gate.1" | sed -n '/^ENVIRONMENT/,/^SEE/p' | grep -oE '^ +(SLUICE_[A-Z]*|KUBECONFIG)' | tr -d ' ')" \
        $'SLUICE_URL\nSLUICE_PASSWORD\nSLUICE_STANDALONE\nKUBECONFIG'
else
    skip "the pages have the options" "man is not installed"
fi
if command -v mandoc >/dev/null; then
    # The pages have no date, so that the same tables give the same bytes.
    is "mandoc has nothing to complain of" "$(mandoc -T lint -W warning "$pages"/*.1 | grep -v 'missing date' || true)" ''
else
    skip "mandoc has nothing to complain of" "mandoc is not installed"
fi

# What the program reads of its environment, but for what is set by tests, by Kubernetes and at every login.
read_of=$(cd "$SLUICE_SOURCE" && grep -rhoE '(getenv|env|environment)\("[A-Za-z_]+"\)' --include='*.c' base cli controller database git k8s \
    local manifest model runner | grep -oE '"[^"]*"' | tr -d '"' | sort -u |
    grep -vxE 'HOME|PATH|SLUICE_FAILPOINT.*|KUBERNETES_SERVICE_.*|POD_.*')
is "the table of variables has what the program reads" "$read_of" \
    "$(sed -n 's/^\.TP//;s/^\\fB\([A-Za-z\\(_]*\)\\fR$/\1/p' <(sed -n '/^\.SH ENVIRONMENT/,/^\.SH SEE/p' "$pages/sluice.1") | sort)"

# ---- bash -------------------------------------------------------------------------------------------------------

for shell in bash zsh fish; do
    file=$pages/sluice.$shell
    [ $shell != zsh ] || file=$pages/_sluice
    is "completion $shell prints the file that is installed" "$("$SLUICE" completion $shell)" "$(cat "$file")"
done
run_expect "a shell that there is not" 1 '"tcsh" is not bash, zsh or fish \(Usage\)' "$SLUICE" completion tcsh

bash_offers() { # WORD…: what bash offers for the last of them
    # shellcheck disable=SC2016
    bash --norc --noprofile -c '. "$1"; shift; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _sluice; printf "%s\n" "${COMPREPLY[@]}"' \
        bash "$pages/sluice.bash" "$@"
}
in_bash() { bash_offers sluice "$1" - | spellings; }
is "bash: the options" "$(of_all in_bash)" "$wanted"
is "bash: the commands" "$(bash_offers sluice '')" "$(printf '%s\n' "${commands[@]}" --help --version)"
is "bash: the beginning of one" "$(bash_offers sluice mi)" migrate
is "bash: words" "$(bash_offers sluice wait plan/x --if-missing '')" $'wait\nfail\npass'
is "bash: words behind an equals sign" "$(bash_offers sluice wait plan/x --if-missing = p)" pass
is "bash: of a letter" "$(bash_offers sluice get -o w)" wide
is "bash: no words behind a flag" "$(bash_offers sluice wait plan/x --fail-if-suspended '' | grep -c -- '^--')" "$(helped wait | grep -c -- '^--')"
is "bash: an argument" "$(bash_offers sluice completion '')" $'bash\nzsh\nfish'
is "bash: one alone" "$(bash_offers sluice completion bash '' | spellings)" "$(helped completion)"
is "bash: a plan" "$(bash_offers sluice describe --standalone x pl)" plan/
is "bash: a command" "$(bash_offers sluice help wa)" wait
mkdir 'a folder'
touch 'a file'
is "bash: folders" "$(bash_offers sluice migrate --dir a)" 'a folder'
is "bash: files" "$(bash_offers sluice migrate --password-file a | sort)" $'a file\na folder'

# ---- fish -------------------------------------------------------------------------------------------------------

if command -v fish >/dev/null; then
    export HOME=$PWD
    # shellcheck disable=SC2016
    fish_offers() { fish --no-config -c 'source $argv[1]; complete -C $argv[2]' "$pages/sluice.fish" "$1" | cut -f1; }
    in_fish() { { fish_offers "sluice $1 -"; fish_offers "sluice $1 --"; } | spellings; }
    is "fish: the options" "$(of_all in_fish)" "$wanted"
    is "fish: the commands" "$(fish_offers 'sluice ' | sort)" "$(printf '%s\n' "${commands[@]}" | sort)"
    is "fish: words" "$(fish_offers 'sluice wait plan/x --if-missing ' | sort)" $'fail\npass\nwait'
    is "fish: folders" "$(fish_offers 'sluice migrate --dir a')" 'a folder/'
    is "fish: an argument" "$(fish_offers 'sluice completion ' | sort)" $'bash\nfish\nzsh'
    is "fish: the plugin" "$(fish_offers 'kubectl-sluice get -o ' | sort)" $'json\nwide'
else
    skip "fish: the options" "fish is not installed"
fi

# ---- zsh, and bash, at a terminal -------------------------------------------------------------------------------

terminal=(env -u TMUX tmux -u -S "$PWD/tmux" -f /dev/null)
trap 'code=$?; "${terminal[@]}" kill-server 2>/dev/null || true; exit $code' EXIT
screen() { "${terminal[@]}" capture-pane -p -t t | sed 's/ *$//'; }
screen_has() { screen | grep -qE -- "$1"; }
open_terminal() { # COMMAND
    "${terminal[@]}" rename-session -t t old 2>/dev/null || true # the server ends with its last session
    "${terminal[@]}" new-session -d -s t -x 180 -y 120 "env PATH='${SLUICE%/*}:$PATH' $1"
    "${terminal[@]}" kill-session -t old 2>/dev/null || true
    within 20 screen_has '^\$' || flunk "a terminal with $1"
}
offered() { # TEXT REGEX: the screen once it matches, after TEXT and the tabulator
    "${terminal[@]}" send-keys -t t C-u C-l
    within 10 eval '! screen_has "^[^$]"' || true
    "${terminal[@]}" send-keys -t t -l "$1"
    "${terminal[@]}" send-keys -t t Tab Tab
    within 20 screen_has "$2" || true
    screen
}
if command -v tmux >/dev/null; then
    open_terminal "PS1='$ ' bash --norc --noprofile"
    "${terminal[@]}" send-keys -t t -l 'source <(sluice completion bash); clear'
    "${terminal[@]}" send-keys -t t Enter
    like "bash at a terminal" "$(offered 'sluice wait plan/x --if-missing p' '^\$ .*missing pass')" 'missing pass'
    like "bash at a terminal: a plan has no blank behind it" "$(offered 'sluice describe pl' '^\$ .*plan/$')" 'describe plan/'
else
    skip "bash at a terminal" "tmux is not installed"
fi
if command -v tmux >/dev/null && command -v zsh >/dev/null; then
    mkdir zdot functions
    cp "$pages/_sluice" functions/
    # shellcheck disable=SC2016
    echo 'PS1="$ " fpath=("$ZDOTDIR/../functions" $fpath) LISTMAX=1000; autoload -U compinit; compinit -u -D; unsetopt list_beep' >zdot/.zshrc
    open_terminal "ZDOTDIR='$PWD/zdot' zsh -d"
    in_zsh() { offered "sluice $1 -" '^--help' | sed -n 's/^\(-.*\)  -- .*/\1/p' | spellings; }
    is "zsh: the options" "$(of_all in_zsh)" "$wanted"
    is "zsh: the commands" "$(offered 'sluice ' '^help ' | sed -n 's/^\([a-z]*\)  *-- .*/\1/p' | sort)" "$(printf '%s\n' "${commands[@]}" | sort)"
    like "zsh: words" "$(offered 'sluice wait plan/x --if-missing p' '^\$ .*missing pass')" 'missing pass'
    like "zsh: a plan has no blank behind it" "$(offered 'sluice describe pl' '^\$ .*plan/$')" 'describe plan/'
    is "zsh: folders alone" "$(offered 'sluice migrate --dir a' '^\$ .*folder/' | grep '^\$')" '$ sluice migrate --dir a\ folder/'
    open_terminal "ZDOTDIR='$PWD/zdot' zsh -d"
    "${terminal[@]}" send-keys -t t -l 'fpath=(/usr/share/zsh/functions/*); compinit -u -D; source <(sluice completion zsh); clear'
    "${terminal[@]}" send-keys -t t Enter
    like "zsh: sourced" "$(offered 'sluice get -o w' '^\$ .* wide')" 'get -o wide'
else
    skip "zsh: the options" "zsh or tmux is not installed"
fi
done_testing
