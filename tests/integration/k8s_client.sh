#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Kubernetes client against servers that misbehave on demand: retries, tokens and plugins that must
# be asked again, streams that are cut, late, dead, too large or too old, TLS and its names.
# timeout: 240
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"

kubecat=$SLUICE_DEBUG_BUILD/tests/kubecat
servers_init
tls_init
folder=$SERVERS_DIR/k8s
mkdir "$folder"
servers_take_port
port=$servers_port

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$port"); }
servers_run fake TERM "$folder/server.err" answers \
    perl "$SLUICE_SOURCE/tests/integration/k8s_fake_server.pl" 127.0.0.1 "$port" "$folder"

# config STORY [USER [CLUSTER]]: a kubeconfig in YAML's flow style; its path is left in KUBECONFIG.
config() {
    export KUBECONFIG=$folder/$1.kubeconfig
    printf '{current-context: c, contexts: [{name: c, context: {cluster: k, user: u, namespace: shop}}],
        clusters: [{name: k, cluster: {%s}}], users: [{name: u, user: {%s}}]}\n' \
        "${3:-server: "http://127.0.0.1:$port/$1"}" "${2:-}" >"$KUBECONFIG"
}

# said NAME CODE REGEX ARGUMENT…: exit code, and the whole output, stderr too.
said() {
    local name=$1 code=$2 regex=$3 got=0
    shift 3
    output=$(timeout 60 "$kubecat" "$@" 2>&1) || got=$?
    if [[ $output =~ (ERROR:\ [A-Za-z]*Sanitizer|runtime\ error:) ]]; then
        flunk "$name: clean under the sanitizers" "$output"
    fi
    if [ $got != "$code" ]; then flunk "$name" "code $got instead of $code" "$output"; else like "$name" "$output" "$regex"; fi
}
asked() { grep -c "${2:-.}" "$folder/$1.log" || true; }

# ---- calls ----
config ok
said "an answer" 0 '"fine":true' get /api/v1/x
like "who we are" "$(cat "$folder/ok.log")" '^GET /ok/api/v1/x \|  \| kubecat/1'
said "a body" 0 '"fine":true' post /apis/batch/v1/namespaces/ns/jobs '{"a":1}'
like "was sent" "$(cat "$folder/ok.log")" 'POST /ok/apis/batch/v1/namespaces/ns/jobs .*\{"a":1\}'
config retry
said "429 is tried again when it was asked for" 0 '"fine":true' get /x
is "three requests" "$(asked retry)" 3
config down
said "503 with Retry-After, too, also a create" 0 '"fine":true' post /x '{}'
is "two requests" "$(asked down)" 2
config broken
said "500 without it is the caller's" 1 'ApiUnavailable transient: GET /x: broken \(500\)' get '/x?a=b'
is "one request" "$(asked broken)" 1
config lost
said "a lost connection: once more" 0 '"fine":true' get /x
said "which is counted" 0 '"fine":true' get /x
rm "$folder/lost.n" "$folder/lost.log"
said "a JSON patch may have been done: not once more" 1 'ApiUnavailable transient: PATCH /x: ' json /x '[]'
is "one request for it" "$(asked lost)" 1
config html
said "a web page is no API" 1 'ApiUnavailable transient: .*not JSON: is http://127.0.0.1' get /x
config moved
said "a redirect is not followed" 1 'ApiUnavailable transient: .*answered 302' get /x
is "nobody went there" "$(asked ok 'x |.*x$')" 0
config silent
said "an informer that is closed while a list hangs" 1 'ApiUnavailable transient: list of /jobs: no answer yet' watch /jobs 1
config gone '' "server: \"http://127.0.0.1:1\""
said "no connection" 1 "ApiUnavailable transient: GET /x: .*onnect" get /x
said "no kubeconfig" 1 'InvalidSpec terminal: there is no kubeconfig /nowhere' --kubeconfig /nowhere get /x
config ok
said "a list of kubeconfigs, of which some are there" 0 'http://127.0.0.1:[0-9]*/ok shop' where
KUBECONFIG=/nowhere::$KUBECONFIG said "the others are skipped" 0 'http://127.0.0.1:[0-9]*/ok shop' where

# ---- Secrets ----
config login
said "a Secret with the hosts that its owner allows" 0 '^password=horse
sluice.dev/host=orders.db.example.com:5432, \*.replica.example.com$' secret shop bound
like "asked for once, by its name" "$(cat "$folder/login.log")" '^GET /login/api/v1/namespaces/shop/secrets/bound '
said "one without: no other annotation and no label counts" 0 '^password=horse$' secret shop free

# ---- who we are ----
printf 'old\n' >"$folder/token"
config token 'tokenFile: token'
said "a token that was replaced is read again after 401" 0 '"fine":true' get /x
like "first the old, then the new" "$(cut -d'|' -f2 "$folder/token.log" | tr -d '\n')" 'Bearer old +Bearer new'
printf '#!/bin/sh\nprintf x >>%s\necho "$KUBERNETES_EXEC_INFO $EXTRA $*" >>%s\nprintf '"'"'{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"run-%%d"}}'"'"' "$(wc -c <%s)"\n' \
    "$folder/runs" "$folder/info" "$folder/runs" >"$folder/login"
chmod +x "$folder/login"
plugin='exec: {command: ./login, args: [one, two], env: [{name: EXTRA, value: more}], interactiveMode: Never, apiVersion: client.authentication.k8s.io/v1}'
config exec "$plugin"
said "a plugin is asked again after 401" 0 '"fine":true' get /x
is "it ran twice" "$(cat "$folder/runs")" xx
like "it was told the rest" "$(head -n 1 "$folder/info")" '"interactive":false.* more one two$'
config never "$plugin"
said "401 for good" 1 'Forbidden transient: .*does not accept our credentials' get /x
is "after two requests" "$(asked never)" 2
config ok "exec: {command: nobody-has-this, installHint: get it, interactiveMode: Never, apiVersion: client.authentication.k8s.io/v1}"
said "a plugin that is not there" 1 'InvalidSpec terminal: credential plugin nobody-has-this is not there.*: get it' get /x
printf '#!/bin/sh\nexit 3\n' >"$folder/fails"
chmod +x "$folder/fails"
config ok "exec: {command: ./fails, interactiveMode: Never, apiVersion: client.authentication.k8s.io/v1}"
said "a plugin that fails" 1 'Forbidden transient: credential plugin .*fails ended with code 3' get /x
mkdir "$folder/mount"
printf pod-token >"$folder/mount/token"
cp "$SLUICE_TEST_CA" "$folder/mount/ca.crt"
printf team >"$folder/mount/namespace"
KUBERNETES_SERVICE_HOST=::1 KUBERNETES_SERVICE_PORT=6443 said "in a pod, with IPv6" 0 'https://\[::1\]:6443 team' \
    --in-cluster "$folder/mount" where

if answers6() { (exec 3<>"/dev/tcp/::1/$port"); } && (exec 3<>/dev/udp/::1/9) 2>/dev/null; then
    servers_run fake6 TERM "$folder/server6.err" answers6 \
        perl "$SLUICE_SOURCE/tests/integration/k8s_fake_server.pl" ::1 "$port" "$folder"
    config ok '' "server: \"http://[::1]:$port/ok\""
    said "a server at an IPv6 address" 0 '"fine":true' get /x
else
    skip "a server at an IPv6 address" "this machine has none"
fi

# ---- streams ----
export SLUICE_WATCH_SECONDS=30
config split
said "events split anywhere, and the next watch" 0 \
    $'^\\+ ns/a 5\n\\+ ns/b 11\n\\+ ns/a 12\n- ns/b 13\n\\+ ns/c 41' watch /jobs 15 5
is "one list" "$(asked split limit=)" 1
like "the second watch goes on after the bookmark" "$(grep watch=1 "$folder/split.log" | sed -n 2p)" 'resourceVersion=40[& ]'
config gone
said "410 in a stream: what is gone and new is told" 0 $'\\+ ns/b 11\n- ns/a 5\n\\+ ns/c 45' watch /jobs 15 4
like "a list that is not older first" "$(grep limit= "$folder/gone.log" | sed -n 2p)" 'resourceVersion=11&resourceVersionMatch=NotOlderThan'
like "then the newest" "$(grep limit= "$folder/gone.log" | sed -n 3p)" 'limit=500 '
config error
said "another error: watched again" 0 '\+ ns/b 11' watch /jobs 15 2
is "without a list" "$(asked error limit=)" 1
config busy
said "429 for a watch" 0 '\+ ns/b 11' watch /jobs 15 2
is "without a list, too" "$(asked busy limit=)" 1
config cut
said "a connection that breaks within an event" 0 '\+ ns/b 11.*\+ ns/c 12' watch /jobs 15 3
like "goes on after the last whole one" "$(grep watch=1 "$folder/cut.log" | sed -n 2p)" 'resourceVersion=11[& ]'
config huge
said "an event that never ends" 0 '\+ ns/b 11' watch /jobs 15 2
config garbage
said "what is no event" 3 'problem: watch of /jobs: an event: line 1' watch /jobs 2 2
config stale
said "401 for a watch" 0 '\+ ns/b 11' watch /jobs 15 2
config slow
said "a late bookmark is awaited" 0 '\+ ns/b 21' watch /jobs 15 2
is "in one watch" "$(asked slow watch=1)" 1
config brief
said "streams that end at once" 3 '\+ ns/a 5' watch /jobs 3 2
ok "do not make a storm" test "$(asked brief watch=1)" -le 4
config pages
said "pages, and a token that has died" 0 $'\\+ ns/a 1\n\\+ ns/b 2\n\\+ ns/c 3' watch /jobs 15 3
config fat
said "pages of too many bytes are asked for with fewer objects" 0 $'\\+ ns/o00 1\n(\\+ ns/o[0-9]{2} [0-9]+\n){28}\\+ ns/o30 31' watch /jobs 60 30
like "one that is too large alone is passed over, and named" "$output" '"an object is too large to be read".*"namespace":"ns","name":"o12","limit":16777216'
ok "and never stored" test -z "$(grep -o '+ ns/o12' <<<"$output")"
is "halved until it fits" "$(grep -c 'limit=500 ' "$folder/fat.log") $(grep -c 'limit=7' "$folder/fat.log" | sed 's/^[1-9].*/some/')" "1 some"
is "down to the one" "$(grep -c 'limit=1[& ].*continue=12' "$folder/fat.log")" 2
config denied
said "a right that is missing" 1 'Forbidden transient: list: GET /jobs: jobs is forbidden: User x cannot list' watch /jobs 2
config dead
SLUICE_WATCH_SECONDS=1 SLUICE_GUARD_MS=500 said "a stream that is dead" 3 'the connection is dead' watch /jobs 4 2
ok "is opened again" test "$(asked dead watch=1)" -ge 2
is "nor listed" "$(asked dead limit=)" 1

# ---- TLS ----
cd "$folder"
mkdir www
printf '{"secure":true}' >www/x
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$tls_port"); }
serve_tls() { # NAME OPTION…: on a port of its own
    servers_take_port
    tls_port=$servers_port
    host="server: \"https://127.0.0.1:$tls_port\""
    servers_run "$1" TERM "$folder/$1.err" listens env -C "$folder/www" openssl s_server \
        -accept "127.0.0.1:$tls_port" -cert "$SERVERS_DIR/tls/server.crt" -key "$SERVERS_DIR/tls/server.key" \
        -WWW -quiet "${@:2}"
}
serve_tls tls
ca="certificate-authority: $SLUICE_TEST_CA"
config tls '' "$host, $ca"
said "the kubeconfig's authority" 0 '"secure":true' get /x
config tls '' "$host, certificate-authority: $SLUICE_TEST_OTHER_CA"
said "another authority" 1 'ApiUnavailable transient: .*check the certificate authority' get /x
config tls '' "$host"
said "none" 1 'ApiUnavailable transient: .*check the certificate authority' get /x
config tls '' "$host, $ca, tls-server-name: wrong.example"
said "a name that is not in the certificate" 1 'ApiUnavailable transient: .*tls-server-name' get /x
config tls '' "$host, $ca, tls-server-name: localhost"
said "a name that is, at another address" 0 '"secure":true' get /x
config tls '' "$host, insecure-skip-tls-verify: true"
said "unverified: told loudly" 0 'not verified: insecure-skip-tls-verify.*"secure":true' get /x
config tls '' "$host, certificate-authority-data: $(base64 -w0 "$SLUICE_TEST_CA")"
said "an authority in the kubeconfig" 0 '"secure":true' get /x
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /O=x/CN=me \
    -keyout "$folder/me.key" -out "$folder/me.crt" 2>/dev/null
serve_tls careful -Verify 1 -verify_return_error -CAfile "$folder/me.crt"
config tls '' "$host, $ca"
said "a server that wants a certificate" 1 'ApiUnavailable transient' get /x
config tls 'client-certificate: me.crt, client-key: me.key' "$host, $ca"
said "gets ours" 0 '"secure":true' get /x
config tls "client-certificate-data: $(base64 -w0 "$folder/me.crt"), client-key-data: $(base64 -w0 "$folder/me.key")" "$host, $ca"
said "also out of the kubeconfig" 0 '"secure":true' get /x
done_testing
