/* SPDX-License-Identifier: Apache-2.0 */
/* Loads a foreign library when it is needed: ondemand.h. */
#include "cli/ondemand.h"
#include <dlfcn.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>
#include "cli/say.h"

enum {
    NO_LIBRARY = 127
}; /* the dynamic linker's own code for it */

/* Where the jumps go while their slots are empty, the number of the function in r11: keeps what arguments are passed in
 * (rax counts vector registers for functions with an ellipsis), has the address found, and goes there. */
__asm__(
    ".pushsection .text\n"
    ".globl ondemand_start\n"
    ".hidden ondemand_start\n"
    ".type ondemand_start, @function\n"
    "ondemand_start:\n"
    "  .cfi_startproc\n"
    "  endbr64\n"
    "  pushq %rbp\n"
    "  .cfi_def_cfa_offset 16\n"
    "  .cfi_offset %rbp, -16\n"
    "  movq %rsp, %rbp\n"
    "  .cfi_def_cfa_register %rbp\n"
    "  subq $192, %rsp\n" // seven registers of 8 bytes, eight of 16, and the stack stays aligned
    "  movq %rdi, (%rsp)\n"
    "  movq %rsi, 8(%rsp)\n"
    "  movq %rdx, 16(%rsp)\n"
    "  movq %rcx, 24(%rsp)\n"
    "  movq %r8, 32(%rsp)\n"
    "  movq %r9, 40(%rsp)\n"
    "  movq %rax, 48(%rsp)\n"
    "  movups %xmm0, 64(%rsp)\n"
    "  movups %xmm1, 80(%rsp)\n"
    "  movups %xmm2, 96(%rsp)\n"
    "  movups %xmm3, 112(%rsp)\n"
    "  movups %xmm4, 128(%rsp)\n"
    "  movups %xmm5, 144(%rsp)\n"
    "  movups %xmm6, 160(%rsp)\n"
    "  movups %xmm7, 176(%rsp)\n"
    "  movl %r11d, %edi\n"
    "  call ondemand_find\n"
    "  movq %rax, %r11\n"
    "  movq (%rsp), %rdi\n"
    "  movq 8(%rsp), %rsi\n"
    "  movq 16(%rsp), %rdx\n"
    "  movq 24(%rsp), %rcx\n"
    "  movq 32(%rsp), %r8\n"
    "  movq 40(%rsp), %r9\n"
    "  movq 48(%rsp), %rax\n"
    "  movups 64(%rsp), %xmm0\n"
    "  movups 80(%rsp), %xmm1\n"
    "  movups 96(%rsp), %xmm2\n"
    "  movups 112(%rsp), %xmm3\n"
    "  movups 128(%rsp), %xmm4\n"
    "  movups 144(%rsp), %xmm5\n"
    "  movups 160(%rsp), %xmm6\n"
    "  movups 176(%rsp), %xmm7\n"
    "  leave\n"
    "  .cfi_def_cfa %rsp, 8\n"
    "  jmp *%r11\n"
    "  .cfi_endproc\n"
    "  .size ondemand_start, . - ondemand_start\n"
    ".popsection\n");

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void end_without(const char *soname)
{
    const char *why = dlerror();
    complain("sluice: %s: install the package that has %s\n", why ? why : soname, soname);
    _exit(NO_LIBRARY);
}

static void guard_slots(int protection)
{
    if (mprotect(ondemand_slots, ondemand_slots_bytes, protection) != 0) {
        complain("sluice: mprotect: %m\n");
        _exit(NO_LIBRARY);
    }
}

/* Global, as if it were linked: libssh2 behind libgit2 is asked for its version by name. */
static void load(const struct ondemand_library *library)
{
    void *handle = dlopen(library->soname, RTLD_NOW | RTLD_GLOBAL);
    if (!handle) {
        end_without(library->soname);
    }
    guard_slots(PROT_READ | PROT_WRITE);
    for (uint32_t i = library->first; i < library->first + library->count; i++) {
        void *found = dlsym(handle, ondemand_names[i]);
        if (!found) {
            end_without(library->soname);
        }
        __atomic_store_n(&ondemand_slots[i], found, __ATOMIC_RELEASE);
    }
    guard_slots(PROT_READ);
}

void *ondemand_find(uint32_t call)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < ondemand_library_count && !ondemand_slots[call]; i++) {
        const struct ondemand_library *library = &ondemand_libraries[i];
        if (call >= library->first && call < library->first + library->count) {
            load(library);
        }
    }
    pthread_mutex_unlock(&lock);
    return ondemand_slots[call];
}
