/*
 * Stands in for one CUDA library when the program is linked. Each function looks for the real one when it is first
 * called; where that library is missing it returns an error code, as the real one does without a GPU.
 *
 * Compiled once a library, with
 *   LIST      a header of lines LAZY(function)
 *   LIBRARY   the file name of the real library; NULL for functions that were left out of the program
 *   FALLBACK  the file name of an older one, or NULL
 *   MISSING   the error code
 * System V calling convention of x86-64.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#define LAZY(name) #name,
static const char *const names[] = {
#include LIST
};
#undef LAZY

/* The real functions, as far as they are known. */
__attribute__((used)) static void *table[sizeof names / sizeof *names];

static long missing(void)
{
    return MISSING;
}

static void *open_library(const char *name)
{
    return name ? dlopen(name, RTLD_NOW | RTLD_GLOBAL) : NULL;
}

/* Threads may come here together: all of them write the same address. */
__attribute__((used)) static void *find(unsigned long slot)
{
    const char *wanted = LIBRARY;
    void *library, *function;

    if (!wanted) {
        fprintf(stderr, "%s was left out of this program\n", names[slot]);
        abort();
    }
    library = open_library(wanted);
    if (!library)
        library = open_library(FALLBACK);
    function = library ? dlsym(library, names[slot]) : NULL;
    table[slot] = function ? function : (void *)missing;
    return table[slot];
}

/* All registers that may carry arguments survive the search; the stack is aligned as the convention demands. */
asm(".text\n"
    "resolve:\n"
    "    pushq %rdi\n    pushq %rsi\n    pushq %rdx\n    pushq %rcx\n"
    "    pushq %r8\n    pushq %r9\n    pushq %rax\n    pushq %r10\n"
    "    subq $128, %rsp\n"
    "    movups %xmm0, (%rsp)\n    movups %xmm1, 16(%rsp)\n    movups %xmm2, 32(%rsp)\n    movups %xmm3, 48(%rsp)\n"
    "    movups %xmm4, 64(%rsp)\n    movups %xmm5, 80(%rsp)\n    movups %xmm6, 96(%rsp)\n    movups %xmm7, 112(%rsp)\n"
    "    movq 192(%rsp), %rdi\n"
    "    call find\n"
    "    movq %rax, %r11\n"
    "    movups (%rsp), %xmm0\n    movups 16(%rsp), %xmm1\n    movups 32(%rsp), %xmm2\n    movups 48(%rsp), %xmm3\n"
    "    movups 64(%rsp), %xmm4\n    movups 80(%rsp), %xmm5\n    movups 96(%rsp), %xmm6\n    movups 112(%rsp), %xmm7\n"
    "    addq $128, %rsp\n"
    "    popq %r10\n    popq %rax\n    popq %r9\n    popq %r8\n"
    "    popq %rcx\n    popq %rdx\n    popq %rsi\n    popq %rdi\n"
    "    addq $8, %rsp\n"
    "    jmp *%r11\n"
    ".set slot, 0\n");

#define LAZY(name)                                                                                                     \
    asm(".globl " #name "\n.type " #name ", @function\n" #name ":\n"                                                   \
        "    movq table+8*slot(%rip), %r11\n    testq %r11, %r11\n    je 1f\n    jmp *%r11\n"                          \
        "1:  pushq $slot\n    jmp resolve\n"                                                                           \
        ".set slot, slot + 1\n");
#include LIST
