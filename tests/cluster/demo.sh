#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The demo on a cluster comes to its end and shows what it promises.
# cluster: own
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
demo=$SLUICE_SOURCE/deploy/demo/run.sh

mkdir "$work/demo" "$work/demo/tests"
cp -R "$SLUICE_SOURCE/tests/support" "$work/demo/tests/"
mkdir "$work/demo/deploy"
cp -R "$SLUICE_SOURCE/deploy/demo" "$work/demo/deploy/"
chmod -R a+rX "$work"
run_expect "without root it says what is missing, and the way out" 1 \
    'cannot work here: a kubelet needs root: start it by sudo, or without --kubernetes' \
    servers_as_user bash "$work/demo/deploy/demo/run.sh" --kubernetes
run_expect "an option that is none is refused" 1 '--kubernetes' "$demo" --kubernets

begin=$SECONDS
run_expect "the story is told to its end" 0 '' "$demo" --kubernetes
[ "$run_code" = 0 ] || printf '%s\n%s\n' "$run_stdout" "$run_stderr" | tail -n 60 | sed 's/^/# /'
said=$run_stdout
like "its last words" "$(tail -n 1 <<<"$said")" 'That is all: merging SQL was everything you did'
like "columns of kubectl, on the way" "$said" 'shop +Unknown +Soaking +1/3 +main@sha1:'
like "and at the end" "$said" 'shop +True +ReconciliationSucceeded +3/3 +main@sha1:'
like "the application waited in its init container" "$said" 'is at no known version, 1 is needed'
like "the webhook was taken" "$said" 'signed by the git server: 202'
like "the bad commit stops at the canary" "$said" 'shop +False +CanaryFailed +0/3 +main@sha1:'
like "a pipeline stops there" "$said" 'exit code 3: a pipeline stops here'
like "the failed Job's log names file, line and error" "$said" 'sql/orders/V3__email.sql:3:33: statement 2: 42703'
like "kubectl wait means the pinned commit" "$(sed -n '/^3\. /,$p' <<<"$said")" 'migrationplan.sluice.dev/shop condition met'
is "no password was shown" "$(grep -c correct-horse <<<"$said" || true)" 0
printf '# the demo took %d s\n' $((SECONDS - begin))
done_testing
