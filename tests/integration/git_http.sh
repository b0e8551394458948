#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# git over http and https: certificates, passwords, tokens, redirects and wrong addresses, each with
# its reason and a line that says what to do.
# timeout: 240
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/integration/git_support.bash"

git_http_start
repo_new shop
put shop sql/orders/V1__one.sql 'select 1;'
put shop sql/orders/deep/V2__two.sql 'select 2;'
put shop sql/orders/notes.txt 'not SQL'
printf 'select 3;\r\n-- \xc3\xa9\r\n' >"$SERVERS_DIR/shop/sql/orders/V3__crlf.sql"
put shop .gitattributes '*.sql text eol=lf filter=lfs ident'
commit shop first 2>/dev/null
http=$SLUICE_TEST_GIT_HTTP_URL/shop.git
https=$SLUICE_TEST_GIT_HTTPS_URL/shop.git
private=$SLUICE_TEST_GIT_PRIVATE_URL/shop.git
ca=(--secret "ca.crt=@$SLUICE_TEST_CA")
commit=$(head_of shop)

# ---- what comes ----
said "a poll tells where a branch stands" "tip 0 $commit refs/heads/main$" poll "$http" --http
answer=$("$probe" fetch "$http" --http --cache "$SERVERS_DIR/clone" --path sql/orders)
is "a fetch reads the commit" "$(field commit "$answer")" "$commit"
is "the revision is written as Flux writes it" "$(field revision "$answer")" "main@sha1:$commit"
is "the folder's id is git's" "$(field tree "$answer")" \
    "0 sql/orders $(git -C "$SERVERS_DIR/shop" rev-parse HEAD:sql/orders)"
is "files below the folder, in order, with the names of the history column" \
    "$(sed -n 's/^file 0 [^ ]* \([^ ]*\) .*/\1/p' <<<"$answer" | tr '\n' ' ')" \
    'V1__one.sql V3__crlf.sql deep/V2__two.sql notes.txt '
stored=$(git -C "$SERVERS_DIR/shop" cat-file blob HEAD:sql/orders/V3__crlf.sql | sha256sum | cut -c1-12)
like "attributes and filters change no byte" "$answer" \
    "V3__crlf.sql V3__crlf.sql [0-9]+ $stored"
said "the same again from the clone" 'ref refs/heads/main' \
    fetch "$http" --http --cache "$SERVERS_DIR/clone" --path sql/orders
packs() { find "$SERVERS_DIR/clone/objects/pack" -name '*.pack' | wc -l; }
is "and nothing was downloaded twice" "$(packs)" 1
put shop sql/billing/V1__b.sql 'select 4;'
commit shop second
answer=$("$probe" fetch "$http" --http --cache "$SERVERS_DIR/clone" --path sql/orders --last "$commit")
is "a later commit is fetched into the clone" "$(field commit "$answer")" "$(head_of shop)"
is "the folder that did not change keeps its id" "$(field tree "$answer")" \
    "0 sql/orders $(git -C "$SERVERS_DIR/shop" rev-parse "$commit:sql/orders")"
is "the new tip descends from the applied one" "$(field history "$answer")" ancestor
said "one fetch reads several sets, and each fails by itself" \
    "tree-error 1 InvalidMigration: folder 'sql/nobody' does not exist at commit .*tree 2 sql/billing" \
    fetch "$http" --http --path sql/orders --set sql/nobody --set sql/billing

# ---- TLS ----
said "the source's CA is enough" 'revision ' fetch "$https" "${ca[@]}" --path sql/orders
said "without it the system store decides" 'TLSVerificationFailed: .*ca.crt' fetch "$https" --path .
said "another CA is refused" 'TLSVerificationFailed: ' \
    fetch "$https" --secret "ca.crt=@$SLUICE_TEST_OTHER_CA" --path .
said "a CA that is no certificate" 'TLSVerificationFailed|SecretInvalid' \
    fetch "$https" --secret ca.crt=nonsense --path .

# A second server: one that wants a token, on an address that the certificate does not name.
servers_take_port
token_port=$servers_port
sed -e "s/^server.bind = .*/server.bind = \"127.0.0.2\"/" \
    -e "s/^server.port = .*/server.port = $token_port/" \
    -e '/^\$SERVER\["socket"\]/,/^}/d' -e '/^auth.backend/d' -e '/\^\/private\//,/^}/d' \
    -e "s|/http/log|/http/log2|; s|/http/access|/http/access2|" "$SERVERS_DIR/http/config" >"$SERVERS_DIR/token.conf"
cat >>"$SERVERS_DIR/token.conf" <<END
ssl.engine = "enable"
ssl.pemfile = "${SLUICE_TEST_CA%/*}/server.crt"
ssl.privkey = "${SLUICE_TEST_CA%/*}/server.key"
server.modules += ("mod_access")
\$REQUEST_HEADER["Authorization"] != "Bearer s3cret-token" { url.access-deny = ("") }
END
token_probe() { (exec 3<>"/dev/tcp/127.0.0.2/$token_port"); }
servers_run token TERM "$SERVERS_DIR/http/log2" token_probe lighttpd -D -f "$SERVERS_DIR/token.conf"
said "a certificate for another host is refused" 'TLSVerificationFailed: .*127.0.0.2' \
    fetch "https://127.0.0.2:$token_port/git/shop.git" "${ca[@]}" --secret bearerToken=s3cret-token --path .
server_stop token
sed -i -e "s/^server.bind = .*/server.bind = \"127.0.0.1\"/" "$SERVERS_DIR/token.conf"
token_probe() { (exec 3<>"/dev/tcp/127.0.0.1/$token_port"); }
server_resume token
token=https://localhost:$token_port/git/shop.git
said "a bearer token logs in" 'revision ' fetch "$token" "${ca[@]}" --secret bearerToken=s3cret-token --path sql/orders
said "a wrong token does not" 'AccessDenied: .*403.*does not accept these credentials' \
    fetch "$token" "${ca[@]}" --secret bearerToken=other --path sql/orders

servers_take_port
old_port=$servers_port
old_probe() { (exec 3<>"/dev/tcp/127.0.0.1/$old_port"); }
servers_run old TERM "$SERVERS_DIR/old.log" old_probe openssl s_server -quiet -accept "127.0.0.1:$old_port" \
    -tls1_1 -cipher 'DEFAULT@SECLEVEL=0' -cert "${SLUICE_TEST_CA%/*}/server.crt" -key "${SLUICE_TEST_CA%/*}/server.key"
said "TLS older than 1.2 is refused" 'TLSVerificationFailed' \
    fetch "https://localhost:$old_port/shop.git" "${ca[@]}" --path .

# ---- passwords ----
said "a private repository without a Secret" 'AccessDenied: .*401.*asks for credentials' \
    fetch "$private" "${ca[@]}" --path sql/orders
said "a wrong password" 'AccessDenied: .*401.*does not accept these credentials' \
    fetch "$private" "${ca[@]}" --secret username=git --secret password=wrong --path sql/orders
said "the right password" 'revision ' \
    fetch "$private" "${ca[@]}" --secret username=git --secret "password=$SLUICE_TEST_PASSWORD" --path sql/orders
said "a poll with it" "tip 0 $(head_of shop)" \
    poll "$private" "${ca[@]}" --secret username=git --secret "password=$SLUICE_TEST_PASSWORD"

# ---- wrong addresses ----
said "an unknown repository" 'SourceUnavailable: .*404: repository not found or no access' \
    fetch "$SLUICE_TEST_GIT_HTTP_URL/nothing.git" --http --path .
said "nobody listens" 'SourceUnavailable: .*127.0.0.1 port 1' fetch http://127.0.0.1:1/x.git --http --path .
said "an unknown host" 'SourceUnavailable: .*nosuch.invalid' fetch https://nosuch.invalid/x.git --path .
fake busy "$SERVERS_DIR/busy.log"
said "an overloaded server" 'SourceUnavailable: .*503' fetch "http://127.0.0.1:$fake_port/x.git" --http --path .
fake html "$SERVERS_DIR/html.log"
said "a web page is not a repository" "SourceUnavailable: .*content type 'text/html'" \
    fetch "http://127.0.0.1:$fake_port/x.git" --http --path .
said "the metadata address of clouds is never dialled" 'SourceUnavailable: .*link-local' \
    fetch http://169.254.169.254/x.git --http --path .
said "nor in another spelling" 'SourceUnavailable: .*link-local' fetch http://2852039166/x.git --http --path .
said "http only when allowed" 'InvalidSpec: .*http://.*--allow-source-scheme' fetch "$http" --path .

fake redirect "$SERVERS_DIR/redirect.log"
answer=$("$probe" fetch "http://127.0.0.1:$fake_port/shop.git" --http --secret username=git --secret password=horse \
    --path . 2>&1) || true
like "a redirect is refused and its target named" "$answer" \
    "SourceUnavailable: .*redirects to 'elsewhere.example:81/shop.git'"
is "without the secrets in it" "$(grep -c hunter2 <<<"$answer")" 0
fake denied "$SERVERS_DIR/denied.log"
said "a refusal" 'AccessDenied: ' fetch "http://127.0.0.1:$fake_port/shop.git" --http \
    --secret username=git --secret password=horse --path .
is "a password is offered once, not again and again" "$(grep -c '^Authorization: Basic' "$SERVERS_DIR/denied.log")" 1

# ---- the environment ----
export http_proxy=http://127.0.0.1:1 https_proxy=http://127.0.0.1:1 ALL_PROXY=http://127.0.0.1:1
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0="url.http://127.0.0.1:1/.insteadOf" GIT_CONFIG_VALUE_0="$SLUICE_TEST_GIT_HTTP_URL/"
printf '[url "http://127.0.0.1:1/"]\n insteadOf = %s/\n' "$SLUICE_TEST_GIT_HTTP_URL" >"$HOME/.gitconfig"
printf 'machine localhost login git password %s\n' "$SLUICE_TEST_PASSWORD" >"$HOME/.netrc"
said "the environment's proxy and git's configuration have no say" 'revision ' fetch "$http" --http --path sql/orders
said "nor has .netrc" 'AccessDenied' fetch "$private" "${ca[@]}" --path sql/orders
unset http_proxy https_proxy ALL_PROXY
said "a proxy that was asked for is used" 'SourceUnavailable: .*127.0.0.1 port 1' \
    fetch "$http" --http --proxy http://127.0.0.1:1 --path sql/orders
done_testing
