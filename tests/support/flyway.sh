# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Real Flyway as the judge: fetched once, cached by content outside the tree. Source after tap.sh
# and servers.sh.
#
#   flyway_need                      ends the script with 77 if there is no Flyway
#   flyway NAME DATABASE DIR [-OPTION=…]… COMMAND…
#                                    run it as the role app on a server that was started with tcp or
#                                    plain; DIR holds the migrations. 2 to 4 s a call
#   $judge_java, $judge_limit       more options of its Java; seconds that it may take (default 300)
#   flyway_fetch                     for tests/run.sh: sets SLUICE_TEST_FLYWAY, needs the network once

flyway_version=11.8.2
flyway_sha256=66cb1221fbb467484b40d137e45d2a92a5a2e2a4f37b73c3aba3afd81b39d909
flyway_artifact=org.flywaydb:flyway-commandline:tar.gz:linux-x64:$flyway_version

flyway_need() {
    [ -x "${SLUICE_TEST_FLYWAY:-}" ] || skip_all "Flyway $flyway_version is not there; tests/run.sh fetches it"
}

flyway() {
    local name=$1 database=$2 dir=$3 port scheme=mariadb options=''
    shift 3
    port=$(servers_get "$name" PORT)
    case $name in
    pg*) scheme=postgresql ;;
    *) options='?useSSL=false&allowPublicKeyRetrieval=true' ;;
    esac
    # Short runs: the first compiler is enough, and the class archive is used.
    timeout -k 5 "${judge_limit:-300}" env -u JAVA_HOME "JAVA_ARGS=-XX:TieredStopAtLevel=1 -Xshare:auto -XX:+UseSerialGC ${judge_java:-}" \
        REDGATE_DISABLE_TELEMETRY=true "$SLUICE_TEST_FLYWAY" -skipCheckForUpdate \
        "-url=jdbc:$scheme://127.0.0.1:$port/$database$options" \
        -user=app "-password=$SLUICE_TEST_PASSWORD" "-locations=filesystem:$dir" "$@"
}

flyway_download() { # FOLDER
    local python folder=$1
    # Debian's own first: another one on the PATH may lack pip.
    for python in /usr/bin/python3 python3 ''; do
        [ -z "$python" ] || ! "$python" -m pip --version >/dev/null 2>&1 || break
    done
    if [ -z "$python" ]; then
        echo "python3 with pip is missing" >&2
        return 1
    fi
    # pip and requests bring certificates of their own; the machine's are right.
    local bundle=/etc/ssl/certs/ca-certificates.crt
    export PIP_CERT=${PIP_CERT:-$bundle} REQUESTS_CA_BUNDLE=${REQUESTS_CA_BUNDLE:-$bundle}
    "$python" -m pip install -q --disable-pip-version-check --root-user-action=ignore \
        --target "$folder/client" maven-artifact==0.3.5 || return 1
    PYTHONPATH=$folder/client "$python" -m maven_artifact.main "$flyway_artifact" "$folder/archive" ||
        return 1
    rm -rf "$folder/client"
    if ! printf '%s  %s\n' "$flyway_sha256" "$folder/archive" | sha256sum -c --quiet -; then
        echo "the Flyway archive is not the one that is pinned here" >&2
        return 1
    fi
    # Of the drivers only the two that are used: 187 MB instead of 371.
    tar -xzf "$folder/archive" -C "$folder" --strip-components=1 --no-same-owner \
        --exclude='*/drivers/*' || return 1
    tar -xzf "$folder/archive" -C "$folder" --strip-components=1 --no-same-owner --wildcards \
        '*/drivers/postgresql-*' '*/drivers/mariadb-*' || return 1
    rm -f "$folder/archive"
    chmod -R a+rX "$folder"
    chmod a+x "$folder/flyway"
}

flyway_fetch() {
    [ "$(uname -m)" = x86_64 ] || { echo "Flyway's archive is for x86_64" >&2; return 1; }
    cache_build "flyway-$flyway_version-${flyway_sha256:0:16}" flyway_download || return 1
    export SLUICE_TEST_FLYWAY=$cache_path/flyway
}
