/* SPDX-License-Identifier: Apache-2.0
 * The shortest-lived program there is: static, and gone with its first
 * instructions. Who wants its environment must be there before it. */
#include <unistd.h>

int main(void) { _exit(0); }
