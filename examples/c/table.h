/* Text files of lines "name TAB number number ...": timings of architectures, embeddings of
 * labels. */
#ifndef TABLE_H
#define TABLE_H

#include <stddef.h>

typedef struct row {
  char* name;
  float* values;  /* (count), for embeddings */
  double first;   /* the first of them, in full precision */
  size_t count;
} row;

typedef struct table {
  row* rows;
  size_t count;
} table;

/* 1, or 0 with a message on standard error. In both cases table_free frees what was read. */
int table_read(const char* path, table* read);
void table_free(table* read);

#endif
