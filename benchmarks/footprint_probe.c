/* Prints what this process has grown by, in bytes: with the library loaded, and after it has opened a
 * bundle, calibrated, predicted and classified; and how often it has allocated memory to calibrate, for
 * 1000 predictions, and for 1000 classifications. Every malloc of the process is counted (glibc). */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <edgewise/edgewise.h>

enum { DIM = 256, CLASSES = 100, REPEATS = 1000 };

void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* old, size_t size);

static unsigned long allocations;

void* malloc(size_t size) {
  ++allocations;
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  ++allocations;
  return __libc_calloc(count, size);
}
void* realloc(void* old, size_t size) {
  ++allocations;
  return __libc_realloc(old, size);
}

/* How many of these pages are in memory. */
static long present(int pagemap, unsigned long first, unsigned long end) {
  uint64_t entries[512];
  long count = 0;
  while (first < end) {
    const size_t left = end - first, many = sizeof entries / sizeof *entries;
    const size_t wanted = (left < many ? left : many) * sizeof *entries;
    const ssize_t got = pread(pagemap, entries, wanted, (off_t)(first * sizeof *entries));
    size_t i;
    if (got < (ssize_t)sizeof *entries) break; /* what the kernel maps into every process */
    for (i = 0; i < (size_t)got / sizeof *entries; ++i) count += (long)(entries[i] >> 63);
    first += i;
  }
  return count;
}

/* Bytes in memory of what this process has mapped. An emulator says of the mappings only those of the
 * program, so that its own memory is not among them; /proc/self/statm would count that. */
static long resident(void) {
  const unsigned long page = (unsigned long)sysconf(_SC_PAGESIZE);
  const int pagemap = open("/proc/self/pagemap", O_RDONLY);
  FILE* mappings = fopen("/proc/self/maps", "r");
  unsigned long begin, end;
  char line[4352];
  long pages = 0;
  if (pagemap < 0 || mappings == NULL ||
      present(pagemap, (unsigned long)line / page, (unsigned long)line / page + 1) != 1) {
    fprintf(stderr, "the memory of this process cannot be seen\n"); /* or is not where it says */
    exit(1);
  }
  while (fgets(line, sizeof line, mappings) != NULL) {
    if (sscanf(line, "%lx-%lx", &begin, &end) == 2) {
      pages += present(pagemap, begin / page, end / page);
    }
  }
  fclose(mappings);
  close(pagemap);
  return pages * (long)page;
}

static void need(edgewise_status status) {
  if (status == EDGEWISE_OK) return;
  fprintf(stderr, "%s\n", edgewise_last_error());
  exit(1);
}

static double length(const char* arch, void* user) {
  (void)user;
  return 1.0 + (double)strlen(arch) / 50.0;
}

/* Shows every class the vector that points its own way. */
static edgewise_classifier* classes(float* embedding) {
  edgewise_classifier_options options = EDGEWISE_CLASSIFIER_OPTIONS_INIT;
  edgewise_classifier* made = NULL;
  int i;
  options.dim = DIM;
  need(edgewise_classifier_create(&options, &made));
  for (i = 0; i < CLASSES; ++i) {
    char label[32];
    snprintf(label, sizeof label, "class %d", i);
    memset(embedding, 0, DIM * sizeof *embedding);
    embedding[i] = 1.0f;
    need(edgewise_classifier_add(made, label, embedding, 1));
  }
  return made;
}

int main(int argc, char** argv) {
  const long rest = resident();
  edgewise_bundle* bundle = NULL;
  edgewise_device* device = NULL;
  edgewise_classifier* classifier;
  edgewise_prediction p;
  edgewise_classification found = EDGEWISE_CLASSIFICATION_INIT;
  float embedding[DIM];
  char arch[256], label[32];
  unsigned long calibrating, predicting, classifying;
  int i;
  if (argc != 2) return 2;
  need(edgewise_bundle_open(argv[1], "latency", &bundle));
  need(edgewise_calibrate_by(bundle, length, NULL, NULL, &device));
  calibrating = allocations;
  need(edgewise_reference(bundle, 20, arch, sizeof arch, NULL));
  classifier = classes(embedding);
  need(edgewise_device_predict(device, arch, 0.9, &p));
  need(edgewise_classifier_classify(classifier, embedding, label, sizeof label, &found));

  predicting = allocations;
  for (i = 0; i < REPEATS; ++i) need(edgewise_device_predict(device, arch, 0.9, &p));
  predicting = allocations - predicting;
  classifying = allocations;
  for (i = 0; i < REPEATS; ++i) {
    need(edgewise_classifier_classify(classifier, embedding, label, sizeof label, &found));
  }
  classifying = allocations - classifying;
  printf("%ld %ld %lu %lu %lu\n", rest, resident(), calibrating, predicting, classifying);
  edgewise_classifier_close(classifier);
  edgewise_device_close(device);
  edgewise_bundle_close(bundle);
  return 0;
}
