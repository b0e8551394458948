/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign libraries that most commands do not need are loaded when one of their functions is called first: a run on one
 * database needs neither git, nor Kubernetes, nor the client of the other engine, and two thirds of its time before main()
 * were theirs. cmake/Ondemand.cmake makes a table of what the program calls of them, and for each such function one of the
 * same name, a jump through ondemand_slots. So no caller knows, no type is written twice, and a function that is missing in
 * the library that is installed is told when the library is loaded, not in the middle of a migration.
 *
 * Any thread. A library that cannot be loaded ends the process with 127, as the dynamic linker would have done before main().
 * Only on x86-64; elsewhere, and in every test program, the libraries are linked as usual. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct ondemand_library {
    const char *soname;
    uint32_t first, count; /* of its functions in ondemand_names and ondemand_slots */
};

/* What cmake/Ondemand.cmake makes. The slots have pages of their own, which are read-only but while one is filled. */
extern const struct ondemand_library ondemand_libraries[];
extern const size_t ondemand_library_count;
extern const char *const ondemand_names[];
extern void *ondemand_slots[];
extern const size_t ondemand_slots_bytes;

/* The address of function number `call`, by way of the jump that found no address yet. */
void *ondemand_find(uint32_t call);
