#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One line without its end, of any length; NULL at the end of the file, or without memory. */
static char* read_line(FILE* file) {
  size_t size = 0, room = 256;
  char* line = malloc(room);
  while (line != NULL && fgets(line + size, (int)(room - size), file) != NULL) {
    size += strlen(line + size);
    if (size > 0 && line[size - 1] == '\n') {
      line[size - 1] = '\0';
      return line;
    }
    if (size + 1 == room) {
      char* longer = realloc(line, room *= 2);
      if (longer == NULL) break;
      line = longer;
    }
  }
  if (line != NULL && size > 0) return line;
  free(line);
  return NULL;
}

static int read_values(char* text, row* into) {
  size_t room = 0;
  char* end = text;
  for (;;) {
    const double value = strtod(text, &end);
    if (end == text) break;
    if (into->count == room) {
      float* values = realloc(into->values, (room = room * 2 + 16) * sizeof *values);
      if (values == NULL) return 0;
      into->values = values;
    }
    if (into->count == 0) into->first = value;
    into->values[into->count++] = (float)value;
    text = end;
  }
  return into->count > 0 && strspn(end, " \t\r") == strlen(end);
}

/* Takes `line`, which becomes the row's name. */
static int add_row(table* read, char* line) {
  row fresh = {NULL, NULL, 0.0, 0};
  row* rows = realloc(read->rows, (read->count + 1) * sizeof *rows);
  char* tab = strchr(line, '\t');
  fresh.name = line;
  if (rows == NULL) {
    free(line);
    return 0;
  }
  read->rows = rows;
  if (tab != NULL) *tab = '\0';
  if (tab != NULL && !read_values(tab + 1, &fresh)) tab = NULL;
  read->rows[read->count++] = fresh;
  return tab != NULL;
}

int table_read(const char* path, table* read) {
  FILE* file = fopen(path, "r");
  char* line;
  int usable = 1;
  read->rows = NULL;
  read->count = 0;
  if (file == NULL) {
    fprintf(stderr, "%s: cannot be read\n", path);
    return 0;
  }
  while (usable && (line = read_line(file)) != NULL) usable = add_row(read, line);
  fclose(file);
  if (usable && read->count > 0) return 1;
  fprintf(stderr, "%s: line %lu is not a name, a tab and numbers\n", path,
          (unsigned long)(read->count > 0 ? read->count : 1));
  return 0;
}

void table_free(table* read) {
  size_t i;
  for (i = 0; i < read->count; ++i) {
    free(read->rows[i].name);
    free(read->rows[i].values);
  }
  free(read->rows);
  read->rows = NULL;
  read->count = 0;
}
