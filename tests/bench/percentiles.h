/* SPDX-License-Identifier: Apache-2.0
 * What the programs that measure times share. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int less(const void* a, const void* b) {
  double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

/* Median, 99th percentile, mean; sorts. */
static void print_percentiles(double* us, int count) {
  double sum = 0;
  qsort(us, (size_t)count, sizeof *us, less);
  for (int i = 0; i < count; i++)
    sum += us[i];
  printf("%.1f %.1f %.1f\n", us[count / 2], us[(int)(count * 0.99)],
         sum / count);
}
