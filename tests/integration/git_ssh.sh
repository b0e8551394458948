#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# git over ssh: nothing is sent before the host key is found in the source's own known_hosts, in
# every form that such a file has; keys come from memory, one try each.
# timeout: 240
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/integration/git_support.bash"

git_ssh_start
repo_new shop
put shop sql/V1__a.sql 'select 1;'
commit shop first 2>/dev/null
url=$SLUICE_TEST_GIT_SSH_URL/shop.git
work=$SERVERS_DIR/keys
mkdir "$work"
port=$(sed -n 's/^Port //p' "$SERVERS_DIR/ssh/config")
host_key=$(cut -d' ' -f1,2 "$SERVERS_DIR/ssh/host.pub")
seen=$(ssh-keygen -lf "$SERVERS_DIR/ssh/host.pub" | cut -d' ' -f2 | sed 's/+/[+]/g')
key=(--secret "identity=@$SLUICE_TEST_SSH_KEY")
known=(--secret "known_hosts=@$SLUICE_TEST_SSH_KNOWN_HOSTS")
logins() { grep -c 'Accepted publickey' "$SERVERS_DIR/ssh/log" || true; }
# sessions: connections in which a user name was sent at all
asked() { grep -Ec 'publickey|Failed|authenticating user' "$SERVERS_DIR/ssh/log" || true; }

said "a fetch" "commit $(head_of shop).*file 0 sql/V1__a.sql" fetch "$url" "${key[@]}" "${known[@]}" --path sql
said "a poll" "tip 0 $(head_of shop) refs/heads/main" poll "$url" "${key[@]}" "${known[@]}"
put shop sql/V2__b.sql 'select 2;'
commit shop second 2>/dev/null
"$probe" fetch "$url" "${key[@]}" "${known[@]}" --cache "$SERVERS_DIR/clone" --path sql --branch main >/dev/null
put shop sql/V3__c.sql 'select 3;'
commit shop third 2>/dev/null
said "one more commit into the clone" "commit $(head_of shop).*V3__c.sql" \
    fetch "$url" "${key[@]}" "${known[@]}" --cache "$SERVERS_DIR/clone" --path sql

# ---- known_hosts ----
# hosts NAME TEXT REGEX
hosts() { said "$1" "$3" poll "$url" "${key[@]}" --secret "known_hosts=$2"; }
ssh-keygen -q -t ed25519 -N '' -f "$work/other"
other=$(cut -d' ' -f1,2 "$work/other.pub")
ssh-keygen -q -t ecdsa -N '' -f "$work/ecdsa"
cp "$SLUICE_TEST_SSH_KNOWN_HOSTS" "$work/hashed"
ssh-keygen -q -H -f "$work/hashed" >/dev/null 2>&1
hosts "a hashed name" "$(<"$work/hashed")" 'tip 0 '
hosts "a wildcard" "[127.0.0.*]:$port $host_key" 'tip 0 '
hosts "several names, blanks, a comment" $'# ours\n\n'"example.com,[127.0.0.1]:$port   $host_key me@there" 'tip 0 '
hosts "several keys of one host" "[127.0.0.1]:$port $other"$'\n'"[127.0.0.1]:$port $host_key" 'tip 0 '
hosts "lines that make no sense" $'x y z\n|1|a|b c d\n@what [127.0.0.1]\n\\x00\n'"[127.0.0.1]:$port $host_key" 'tip 0 '
hosts "Windows line ends" "[127.0.0.1]:$port $host_key"$'\r\n' 'tip 0 '
before=$(asked)
hosts "another key" "[127.0.0.1]:$port $other" \
    "HostKeyMismatch: .*host key is ssh-ed25519 $seen, and known_hosts has another key for '\\[127.0.0.1\\]:$port'"
hosts "no line for the host" "example.com $host_key" "HostKeyMismatch: .*$seen.*has no line for"
hosts "the host on another port" "127.0.0.1 $host_key" 'HostKeyMismatch: .*has no line for'
hosts "a name that is taken out again" "![127.0.0.1]:$port,*:$port $host_key"$'\n'"!*,[127.0.0.1]:$port $host_key" 'HostKeyMismatch'
hosts "a revoked key" "[127.0.0.1]:$port $host_key"$'\n'"@revoked [127.0.0.1]:$port $host_key" 'HostKeyMismatch: .*@revoked'
hosts "a certificate authority is no host key" $'\n'"@cert-authority [127.0.0.1]:$port $host_key" 'HostKeyMismatch: .*has no line'
hosts "a key of another type" "[127.0.0.1]:$port $(cut -d' ' -f1,2 "$work/ecdsa.pub")" 'HostKeyMismatch|SourceUnavailable: .*host key'
hosts "a cut key" "[127.0.0.1]:$port ${host_key::-8}" 'HostKeyMismatch'
is "none of these servers was told a user or a key" "$(asked)" "$before"
said "no known_hosts at all" 'SecretInvalid: .*known_hosts is missing.*ssh-keyscan' poll "$url" "${key[@]}"
mkdir -p "$HOME/.ssh"
cp "$SLUICE_TEST_SSH_KNOWN_HOSTS" "$HOME/.ssh/known_hosts"
hosts "our own user's known_hosts does not count" "example.com $host_key" 'HostKeyMismatch'

# The server has an ecdsa key too: the type that known_hosts holds is the one to ask for.
server_stop ssh
ssh-keygen -q -t ecdsa -N '' -f "$SERVERS_DIR/ssh/host2"
sed -i "s|^HostKey .*|&\nHostKey $SERVERS_DIR/ssh/host2|" "$SERVERS_DIR/ssh/config"
server_resume ssh
hosts "ed25519 is known of two" "[127.0.0.1]:$port $host_key" 'tip 0 '
hosts "ecdsa is known of two" "[127.0.0.1]:$port $(cut -d' ' -f1,2 "$SERVERS_DIR/ssh/host2.pub")" 'tip 0 '

server_stop ssh
ssh-keygen -q -t rsa -b 2048 -N '' -f "$SERVERS_DIR/ssh/host3"
cp "$SERVERS_DIR/ssh/config" "$SERVERS_DIR/ssh/config.both"
sed -i -e '/^HostKey/d' -e "1iHostKey $SERVERS_DIR/ssh/host3" "$SERVERS_DIR/ssh/config"
server_resume ssh
hosts "a server with nothing but an RSA key works, or the reason is told" \
    "[127.0.0.1]:$port $(cut -d' ' -f1,2 "$SERVERS_DIR/ssh/host3.pub")" 'tip 0 |SourceUnavailable: .*RSA host key.*ed25519 and ecdsa work'
server_stop ssh
cp "$SERVERS_DIR/ssh/config.both" "$SERVERS_DIR/ssh/config"
server_resume ssh

# ---- login ----
# login NAME KEYFILE REGEX [ARGUMENT…]
login() { said "$1" "$3" poll "$url" --secret "identity=@$2" "${known[@]}" "${@:4}"; }
login "a key that the server does not know" "$work/other" "AccessDenied: .*does not accept this key for user '$(id -un)'"
cat "$work/ecdsa.pub" >>"$SERVERS_DIR/ssh/authorized"
login "an ecdsa key" "$work/ecdsa" 'tip 0 '
ssh-keygen -q -t ed25519 -N 'open sesame' -f "$work/locked"
cat "$work/locked.pub" >>"$SERVERS_DIR/ssh/authorized"
login "a key with a passphrase" "$work/locked" 'tip 0 ' --secret 'password=open sesame'
login "a wrong passphrase" "$work/locked" 'SecretInvalid: .*passphrase' --secret password=wrong
login "no passphrase" "$work/locked" 'SecretInvalid: .*passphrase'
login "not a key" "$SLUICE_TEST_SSH_KNOWN_HOSTS" 'SecretInvalid: .*identity'
ssh-keygen -q -t rsa -b 2048 -N '' -f "$work/rsa"
ssh-keygen -q -t rsa -b 2048 -m PEM -N '' -f "$work/rsa_pem"
ssh-keygen -q -t rsa -b 2048 -m PKCS8 -N '' -f "$work/rsa_pk8"
cat "$work"/rsa*.pub >>"$SERVERS_DIR/ssh/authorized"
for form in rsa rsa_pem rsa_pk8; do
    login "an RSA key ($form) works or is refused with the reason" "$work/$form" \
        'tip 0 |SecretInvalid: .*RSA key.*libssh2 1\.(9|10)\..*ed25519 or ecdsa'
done
said "a bearer token is for https" 'SecretInvalid: .*bearerToken' poll "$url" "${known[@]}" --secret bearerToken=x
said "an identity is for ssh" 'SecretInvalid: .*identity' poll https://localhost/x.git "${key[@]}"

# ---- the rest ----
said "an unknown repository" 'SourceUnavailable: .*not found or no access' \
    poll "$SLUICE_TEST_GIT_SSH_URL/nothing.git" "${key[@]}" "${known[@]}"
said "nobody listens" 'SourceUnavailable: ' poll ssh://git@127.0.0.1:1/x.git "${key[@]}" "${known[@]}"
said "the metadata address of clouds is never dialled" 'SourceUnavailable: .*link-local' \
    poll ssh://git@169.254.169.254/x.git "${key[@]}" "${known[@]}"
said "an unknown host" "SourceUnavailable: .*could not resolve host 'nosuch.invalid'" \
    poll ssh://git@nosuch.invalid/x.git "${key[@]}" "${known[@]}"
said "the scp form" 'InvalidSpec: .*write ssh://user@host/path' poll git@example.com:shop.git "${key[@]}" "${known[@]}"
said "an option as a host" "InvalidSpec: " poll ssh://-oProxyCommand=x/y "${key[@]}" "${known[@]}"
for text in "shop'git" 'shop$(id)' 'a;b' 'a|b' 'a b'; do
    said "shell text in a path: $text" 'InvalidSpec: .*path' poll "ssh://git@127.0.0.1:$port/$text" "${key[@]}" "${known[@]}"
done
is "no key and no known_hosts is left behind" "$(private_folders)" 0
done_testing
