/* SPDX-License-Identifier: Apache-2.0
 * A 32-bit program that needs no 32-bit library to be built: exit(0). */
void _start(void) {
  __asm__ volatile("int $0x80" : : "a"(1), "b"(0));
}
