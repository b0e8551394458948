/* SPDX-License-Identifier: Apache-2.0 */
/* YAML: what is read is JSON that our own reader takes, and reads as the same. */
#include "base/yaml.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(yaml_docs_done) struct yaml_docs docs = { 0 };
    struct err *e = yaml_parse((const char *)data, size, "plan.yaml", &docs);

    if (e) {
        fuzz_refused(e, "InvalidSpec", "plan.yaml:");
        assert(docs.count == 0);
        return 0;
    }
    for (size_t i = 0; i < docs.count; i++) {
        AUTO(free_auto) char *text = json_text(docs.docs[i]);
        AUTO(json_free_auto) struct json *again = NULL;
        fuzz_read_again(json_parse(text, strlen(text), "again", &again), text);
        assert(json_equal(docs.docs[i], again));
        assert(docs.lines[i] >= 1 && (i == 0 || docs.lines[i] >= docs.lines[i - 1]));
        assert(json_type(docs.docs[i]) != JSON_NULL);
    }
    return 0;
}
