/* An app in C: it learns this device by timing ten networks in its own engine, predicts others, and
 * classifies by classes that it was shown.
 *
 *   edgewise_example latency BUNDLE PROFILE RUNS ARCH...
 *   edgewise_example recorded BUNDLE PROFILE TIMINGS ARCH...
 *   edgewise_example predict BUNDLE PROFILE ARCH...
 *   edgewise_example classify EMBEDDER FILE EXAMPLES QUERIES
 *   edgewise_example ask EMBEDDER FILE QUERIES
 *
 * latency   times each of ten networks RUNS times, saves the device to PROFILE, predicts ARCH...
 * recorded  the same by a file of timings that were taken elsewhere: "arch TAB ms"
 * predict   predicts by a profile that was saved before
 * classify  shows EXAMPLES, classifies QUERIES ("label TAB embedding", as the network of the bundle
 *           EMBEDDER gives it), and saves the classes to FILE
 * ask       classifies by classes that were saved before
 *
 * Bundles are the files of the Python package's folder `bundles`. Results are printed one a line,
 * separated by tabs; whatever fails says why in one line and ends with status 1. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <edgewise/edgewise.h>

#include "engine.h"
#include "table.h"

enum { CONFIDENCE_PERCENT = 90, MOST_LABEL = 256 };

/* 1 when the call before went well. */
static int fine(edgewise_status status) {
  if (status == EDGEWISE_OK) return 1;
  fprintf(stderr, "%s: %s\n", edgewise_status_name(status), edgewise_last_error());
  return 0;
}

static int print_predictions(const edgewise_device* device, char* const* archs, int count) {
  int i;
  for (i = 0; i < count; ++i) {
    edgewise_prediction p;
    if (!fine(edgewise_device_predict(device, archs[i], CONFIDENCE_PERCENT / 100.0, &p))) return 0;
    printf("predicted\t%s\t%.12g\t%.12g\t%.12g\n", archs[i], p.ms, p.low, p.high);
  }
  return 1;
}

static int print_timings(const edgewise_device* device) {
  size_t count = 0, i;
  if (!fine(edgewise_device_timing_count(device, &count))) return 0;
  for (i = 0; i < count; ++i) {
    char arch[512];
    double ms = 0.0;
    if (!fine(edgewise_device_timing(device, i, arch, sizeof arch, NULL, &ms))) return 0;
    printf("timed\t%s\t%.12g\n", arch, ms);
  }
  return 1;
}

/* What edgewise asks for the milliseconds of a network. */
typedef struct stopwatch {
  engine* engine;
  int runs;
} stopwatch;

static double time_network(const char* arch, void* user) {
  const stopwatch* watch = user;
  const double ms = engine_milliseconds(watch->engine, arch, watch->runs);
  if (ms < 0.0) fprintf(stderr, "%s\n", engine_error(watch->engine));
  return ms;
}

static int calibrate_here(const edgewise_bundle* bundle, int runs, edgewise_device** device) {
  edgewise_calibration options = EDGEWISE_CALIBRATION_INIT;
  const edgewise_space* space = NULL;
  stopwatch watch;
  int done;
  options.runtime = "examples/c/engine.c";
  if (!fine(edgewise_bundle_space(bundle, &space))) return 0;
  watch.engine = engine_create(space);
  watch.runs = runs;
  done = watch.engine != NULL &&
         fine(edgewise_calibrate_by(bundle, time_network, &watch, &options, device));
  engine_free(watch.engine);
  return done;
}

static int calibrate_recorded(const edgewise_bundle* bundle, const char* path,
                              edgewise_device** device) {
  table timings;
  const char** archs = NULL;
  double* ms = NULL;
  size_t i;
  int done = table_read(path, &timings);
  if (done) {
    archs = malloc(timings.count * sizeof *archs);
    ms = malloc(timings.count * sizeof *ms);
    done = archs != NULL && ms != NULL;
  }
  for (i = 0; done && i < timings.count; ++i) {
    archs[i] = timings.rows[i].name;
    ms[i] = timings.rows[i].first;
  }
  done = done && fine(edgewise_calibrate(bundle, archs, ms, timings.count, NULL, device));
  free(archs);
  free(ms);
  table_free(&timings);
  return done;
}

static int calibrate(const edgewise_bundle* bundle, const char* how, const char* by,
                     edgewise_device** device) {
  if (strcmp(how, "latency") == 0) return calibrate_here(bundle, atoi(by), device);
  return calibrate_recorded(bundle, by, device);
}

/* Calibrates, saves, predicts, and names the network whose timing would teach most. */
static int latency(const char* how, const char* bundle_path, const char* profile, const char* by,
                   char* const* archs, int count) {
  edgewise_bundle* bundle = NULL;
  edgewise_device* device = NULL;
  char next[512];
  const int done = fine(edgewise_bundle_open(bundle_path, "latency", &bundle)) &&
                   calibrate(bundle, how, by, &device) && print_timings(device) &&
                   print_predictions(device, archs, count) &&
                   fine(edgewise_device_next_reference(device, NULL, 0, next, sizeof next, NULL)) &&
                   fine(edgewise_device_save(device, profile));
  if (done) printf("next\t%s\n", next);
  edgewise_device_close(device);
  edgewise_bundle_close(bundle);
  return done;
}

static int predict(const char* bundle_path, const char* profile, char* const* archs, int count) {
  edgewise_bundle* bundle = NULL;
  edgewise_device* device = NULL;
  const int done = fine(edgewise_bundle_open(bundle_path, "latency", &bundle)) &&
                   fine(edgewise_device_load(profile, bundle, &device)) &&
                   print_predictions(device, archs, count);
  edgewise_device_close(device);
  edgewise_bundle_close(bundle);
  return done;
}

/* 1 when every row is as long as the classifier's embeddings. */
static int right_size(const table* rows, const edgewise_classifier* classifier, const char* path) {
  const size_t dim = edgewise_classifier_dim(classifier);
  size_t i;
  for (i = 0; i < rows->count; ++i) {
    if (rows->rows[i].count == dim) continue;
    fprintf(stderr, "%s: line %lu holds %lu numbers, not %lu\n", path, (unsigned long)(i + 1),
            (unsigned long)rows->rows[i].count, (unsigned long)dim);
    return 0;
  }
  return 1;
}

static int show(edgewise_classifier* classifier, const char* path) {
  table rows;
  size_t i;
  int done = table_read(path, &rows) && right_size(&rows, classifier, path);
  for (i = 0; done && i < rows.count; ++i) {
    done = fine(edgewise_classifier_add(classifier, rows.rows[i].name, rows.rows[i].values, 1));
  }
  table_free(&rows);
  return done;
}

static int ask(const edgewise_classifier* classifier, const char* path) {
  table rows;
  size_t i;
  int done = table_read(path, &rows) && right_size(&rows, classifier, path);
  for (i = 0; done && i < rows.count; ++i) {
    edgewise_classification found = EDGEWISE_CLASSIFICATION_INIT;
    char label[MOST_LABEL];
    done = fine(edgewise_classifier_classify(classifier, rows.rows[i].values, label, sizeof label,
                                             &found));
    if (done) {
      printf("classified\t%s\t%s\t%.12g\t%d\n", rows.rows[i].name, label, found.probability,
             (int)found.is_unknown);
    }
  }
  table_free(&rows);
  return done;
}

static int classify(const char* embedder, const char* file, const char* examples,
                    const char* queries) {
  edgewise_bundle* bundle = NULL;
  edgewise_classifier* classifier = NULL;
  const int done = fine(edgewise_bundle_open(embedder, "embedder", &bundle)) &&
                   fine(edgewise_classifier_create_for(bundle, "float32", &classifier)) &&
                   show(classifier, examples) && ask(classifier, queries) &&
                   fine(edgewise_classifier_save(classifier, file));
  edgewise_classifier_close(classifier);
  edgewise_bundle_close(bundle);
  return done;
}

static int ask_saved(const char* embedder, const char* file, const char* queries) {
  edgewise_bundle* bundle = NULL;
  edgewise_classifier* classifier = NULL;
  const int done = fine(edgewise_bundle_open(embedder, "embedder", &bundle)) &&
                   fine(edgewise_classifier_load(file, bundle, &classifier)) &&
                   ask(classifier, queries);
  edgewise_classifier_close(classifier);
  edgewise_bundle_close(bundle);
  return done;
}

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  int done = 0;
  if ((strcmp(what, "latency") == 0 || strcmp(what, "recorded") == 0) && argc > 4) {
    done = latency(what, argv[2], argv[3], argv[4], argv + 5, argc - 5);
  } else if (strcmp(what, "predict") == 0 && argc > 3) {
    done = predict(argv[2], argv[3], argv + 4, argc - 4);
  } else if (strcmp(what, "classify") == 0 && argc == 6) {
    done = classify(argv[2], argv[3], argv[4], argv[5]);
  } else if (strcmp(what, "ask") == 0 && argc == 5) {
    done = ask_saved(argv[2], argv[3], argv[4]);
  } else {
    fprintf(stderr,
            "usage: %s latency BUNDLE PROFILE RUNS ARCH...\n"
            "       %s recorded BUNDLE PROFILE TIMINGS ARCH...\n"
            "       %s predict BUNDLE PROFILE ARCH...\n"
            "       %s classify EMBEDDER FILE EXAMPLES QUERIES\n"
            "       %s ask EMBEDDER FILE QUERIES\n",
            argv[0], argv[0], argv[0], argv[0], argv[0]);
    return 2;
  }
  return done ? 0 : 1;
}
