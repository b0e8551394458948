/* SPDX-License-Identifier: Apache-2.0 */
/* The certificate of a server, before anybody logs in there. Internal to database/mysql/.
 *
 * Connector/C takes MYSQL_OPT_SSL_ENFORCE for a wish unless it verifies the host name, too: of a server that offers
 * no TLS, or of who stands between and says so, it asks nothing more, and a password follows in clear. The one way that
 * makes it insist is a fingerprint to compare. So where the mode is not verify-full, the certificate is fetched first. */
#pragma once
#include "database/engine.h"

#define MYDB_FINGERPRINT_LEN 129 /* hex of up to 64 bytes, and the end */

/* Connects, asks for TLS, checks the chain (verify-ca: against `ca_file`; require: not), and ends the connection. `digest`
 * is OpenSSL's name of the hash. Once found it is kept for the process: see mydb_peer_forget(). All within
 * connect_timeout_ms. TLSVerificationFailed, DatabaseUnavailable, Interrupted. */
struct err *mydb_peer_fingerprint(const struct target *target, const char *ca_file,
                                  const struct db_options *options, const char *digest,
                                  char out[MYDB_FINGERPRINT_LEN]) ERR_MUST_USE;
/* The server has another certificate now. True: there was one to forget. */
bool mydb_peer_forget(const struct target *target);
