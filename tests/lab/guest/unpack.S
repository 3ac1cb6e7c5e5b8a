/* SPDX-License-Identifier: Apache-2.0
 *
 * The protected-mode part of the guest's kernel file: it unpacks the kernel behind it and starts it. See unpack.c.
 * Facts from Documentation/arch/x86/boot.rst of Linux ("32-bit Boot Protocol", "64-bit Boot Protocol") and from the
 * AMD64 Architecture Programmer's Manual, volume 2, chapter 14.6 ("Enabling and Activating Long Mode").
 * It is linked to 1 MiB, where boot loaders put a kernel that is not relocatable, and it starts with its first byte:
 * 32-bit protected mode, flat segments, no paging, interrupts off, esi = struct boot_params.
 */
        .code32
        .globl start
start:
        lgdt gdt_pointer
        movl $page_map, %eax
        movl %eax, %cr3
        movl %cr4, %eax
        orl $0x20, %eax                 /* PAE */
        movl %eax, %cr4
        movl $0xc0000080, %ecx          /* EFER */
        rdmsr
        orl $0x100, %eax                /* LME */
        wrmsr
        movl %cr0, %eax
        orl $0x80000000, %eax           /* PG; PE is set already */
        movl %eax, %cr0
        ljmp $0x10, $long_mode

        .code64
long_mode:
        movl $0x18, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        movl $stack_end, %esp
        movl %esi, %ebx                 /* C functions keep rbx; esi's upper half is not defined here */
        movl %ebx, %edi
        call unpack
        movq %rbx, %rsi
        jmp *%rax

        .balign 8
gdt:    .quad 0, 0
        .quad 0x00af9a000000ffff        /* 0x10, __BOOT_CS: 64-bit code */
        .quad 0x00cf92000000ffff        /* 0x18, __BOOT_DS: data */
gdt_pointer:
        .word gdt_pointer - gdt - 1
        .long gdt

        /* The first GiB, mapped to itself in pages of 2 MiB: present, writable, and "page size" in the lowest level. */
        .balign 4096
page_map:
        .quad page_directories + 3
        .fill 511, 8, 0
page_directories:
        .quad page_directory + 3
        .fill 511, 8, 0
page_directory:
        .set page, 0
        .rept 512
        .quad page + 0x83
        .set page, page + 0x200000
        .endr

        .fill 4096
stack_end:
        .section .note.GNU-stack, "", @progbits
