/* SPDX-License-Identifier: Apache-2.0 */
/* known_hosts: which lines vouch for a key, and which do not. */
#include <criterion/criterion.h>
#include <string.h>
#include "base/auto.h"
#include "base/buf.h"
#include "base/hash.h"
#include "git/known_hosts.h"

TestSuite(known_hosts, .timeout = 30);

/* Two raw ed25519 blobs and an ecdsa one, as base64 and as bytes. */
#define KEY_A "AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"
#define KEY_B "AAAAC3NzaC1lZDI1NTE5AAAAIP/+/fz7+vn49/b19PPy8fDv7u3s6+rp6Ofm5eTj4uHg"
#define ED "ssh-ed25519 "

static const struct row {
    const char *name;
    const char *text;
    const char *host;
    int port;
    enum host_key want; /* for KEY_A */
} rows[] = {
    { "a plain line", "example.com " ED KEY_A "\n", "example.com", 22, HOST_KEY_MATCH },
    { "no line end at the end", "example.com " ED KEY_A, "example.com", 22, HOST_KEY_MATCH },
    { "a comment behind", "example.com " ED KEY_A " root@x\n", "example.com", 22, HOST_KEY_MATCH },
    { "tabs", "example.com\tssh-ed25519\t" KEY_A "\n", "example.com", 22, HOST_KEY_MATCH },
    { "carriage returns", "example.com " ED KEY_A "\r\n", "example.com", 22, HOST_KEY_MATCH },
    { "case of the host", "Example.COM " ED KEY_A, "eXample.com", 22, HOST_KEY_MATCH },
    { "one of several names", "a,example.com,b " ED KEY_A, "example.com", 22, HOST_KEY_MATCH },
    { "a port is part of the name", "[example.com]:2222 " ED KEY_A, "example.com", 2222,
      HOST_KEY_MATCH },
    { "port 22 is written without", "[example.com]:22 " ED KEY_A, "example.com", 22,
      HOST_KEY_UNKNOWN_HOST },
    { "another port is another host", "example.com " ED KEY_A, "example.com", 2222,
      HOST_KEY_UNKNOWN_HOST },
    { "an address", "::1 " ED KEY_A, "::1", 22, HOST_KEY_MATCH },
    { "an address with a port", "[::1]:2222 " ED KEY_A, "::1", 2222, HOST_KEY_MATCH },
    { "a star", "*.example.com " ED KEY_A, "git.example.com", 22, HOST_KEY_MATCH },
    { "a star needs the rest", "*.example.com " ED KEY_A, "example.org", 22,
      HOST_KEY_UNKNOWN_HOST },
    { "two stars", "*git*.com " ED KEY_A, "my-git-host.com", 22, HOST_KEY_MATCH },
    { "a question mark", "git?.example.com " ED KEY_A, "git1.example.com", 22, HOST_KEY_MATCH },
    { "a question mark is one character", "git?.example.com " ED KEY_A, "git12.example.com", 22,
      HOST_KEY_UNKNOWN_HOST },
    { "a prefix is not a match", "example.com " ED KEY_A, "example.com.evil.org", 22,
      HOST_KEY_UNKNOWN_HOST },
    { "a taken out name", "*.example.com,!git.example.com " ED KEY_A, "git.example.com", 22,
      HOST_KEY_UNKNOWN_HOST },
    { "a taken out name leaves others", "*.example.com,!git.example.com " ED KEY_A,
      "hub.example.com", 22, HOST_KEY_MATCH },
    { "another key", "example.com " ED KEY_B, "example.com", 22, HOST_KEY_CHANGED },
    { "the right key is the second", "example.com " ED KEY_B "\nexample.com " ED KEY_A,
      "example.com", 22, HOST_KEY_MATCH },
    { "another type", "example.com ecdsa-sha2-nistp256 " KEY_B, "example.com", 22,
      HOST_KEY_OTHER_TYPE },
    { "a lie about the type", "example.com ssh-rsa " KEY_A, "example.com", 22,
      HOST_KEY_OTHER_TYPE },
    { "a shortened key", "example.com " ED "AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQF", "example.com", 22,
      HOST_KEY_CHANGED },
    { "not base64", "example.com " ED "!!!!", "example.com", 22, HOST_KEY_CHANGED },
    { "no key", "example.com " ED, "example.com", 22, HOST_KEY_CHANGED },
    { "a name alone", "example.com", "example.com", 22, HOST_KEY_OTHER_TYPE },
    { "a comment", "# example.com " ED KEY_A, "example.com", 22, HOST_KEY_UNKNOWN_HOST },
    { "nothing", "", "example.com", 22, HOST_KEY_UNKNOWN_HOST },
    { "revoked, before", "@revoked * " ED KEY_A "\nexample.com " ED KEY_A, "example.com", 22,
      HOST_KEY_REVOKED },
    { "revoked, after", "example.com " ED KEY_A "\n@revoked example.com " ED KEY_A, "example.com",
      22, HOST_KEY_REVOKED },
    { "another key is revoked", "example.com " ED KEY_A "\n@revoked example.com " ED KEY_B,
      "example.com", 22, HOST_KEY_MATCH },
    { "revoked elsewhere", "example.com " ED KEY_A "\n@revoked other.com " ED KEY_A, "example.com",
      22, HOST_KEY_MATCH },
    { "a certificate authority", "@cert-authority example.com " ED KEY_A, "example.com", 22,
      HOST_KEY_UNKNOWN_HOST },
    { "an unknown marker", "@trust example.com " ED KEY_A, "example.com", 22,
      HOST_KEY_UNKNOWN_HOST },
    /* ssh-keygen -H of "example.com" and "[example.com]:2222" with fixed salts */
    { "a hashed name", "|1|AAECAwQFBgcICQoLDA0ODxAREhM=|nnUK16ANsXd3hL31YfAkGOluSjU= " ED KEY_A,
      "example.com", 22, HOST_KEY_MATCH },
    { "a hashed name of another host",
      "|1|AAECAwQFBgcICQoLDA0ODxAREhM=|nnUK16ANsXd3hL31YfAkGOluSjU= " ED KEY_A, "example.org", 22,
      HOST_KEY_UNKNOWN_HOST },
    { "a broken hash", "|1|AAECAwQF " ED KEY_A, "example.com", 22, HOST_KEY_UNKNOWN_HOST },
    { "an empty salt", "|1||nnUK16ANsXd3hL31YfAkGOluSjU= " ED KEY_A, "example.com", 22,
      HOST_KEY_UNKNOWN_HOST },
};

static void key_bytes(const char *base64, struct buf *out)
{
    cr_assert(base64_parse(base64, strlen(base64), out));
}

Test(known_hosts, vouches_only_for_what_it_holds)
{
    AUTO(buf_done) struct buf key = BUF(256);
    key_bytes(KEY_A, &key);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum host_key got =
            known_hosts_check(rows[i].text, rows[i].host, rows[i].port, key.data, key.len);
        cr_expect_eq(got, rows[i].want, "%s: got %d, want %d", rows[i].name, (int)got,
                     (int)rows[i].want);
    }
}

/* libssh2 must never see a line that it could stumble over, nor one of another host. */
Test(known_hosts, extracts_plain_lines_of_the_host)
{
    static const char text[] = "x y z\n@revoked example.com " ED KEY_A "\n*.com,!a.com " ED KEY_B
                               " comment\nother.org " ED KEY_A "\nexample.com " ED "!!\n";
    AUTO(buf_done) struct buf out = BUF(4096);
    known_hosts_extract(text, "example.com", 22, &out);
    cr_expect_str_eq(buf_text(&out), "example.com " ED KEY_B "\n");
}

Test(known_hosts, names_the_type_of_a_raw_key)
{
    char type[64];
    AUTO(buf_done) struct buf key = BUF(256);
    key_bytes(KEY_A, &key);
    host_key_type(key.data, key.len, type, sizeof type);
    cr_expect_str_eq(type, "ssh-ed25519");
    static const char *const odd[] = { "", "\xff\xff\xff\xff", "\0\0\0\x02\n\n" };
    static const size_t lengths[] = { 0, 4, 6 };
    for (size_t i = 0; i < 3; i++) {
        host_key_type(odd[i], lengths[i], type, sizeof type);
        cr_expect_str_eq(type, "unknown");
    }
}
