/* edgewise in C: ten timings and it knows your device; five examples and it knows your classes.
 *
 *   edgewise_bundle* bundle = NULL;
 *   edgewise_device* device = NULL;
 *   edgewise_prediction p;
 *   if (edgewise_bundle_open("nasbench201.safetensors", "latency", &bundle) != EDGEWISE_OK ||
 *       edgewise_calibrate_by(bundle, time_it, my_engine, NULL, &device) != EDGEWISE_OK ||
 *       edgewise_device_predict(device, arch, 0.9, &p) != EDGEWISE_OK) {
 *     fprintf(stderr, "%s\n", edgewise_last_error());
 *   } else {
 *     printf("%.3f ms, between %.3f and %.3f with 90 %%\n", p.ms, p.low, p.high);
 *   }
 *   edgewise_device_close(device);
 *   edgewise_bundle_close(bundle);
 *
 * Status. A function that can fail returns an edgewise_status; EDGEWISE_OK is 0. After another one,
 * edgewise_last_error() says in one sentence what is wrong and what helps. What such a function
 * would have written to its out parameters is then not written. No C++ exception leaves the
 * library; no function ends the process.
 *
 * Ownership. Handles are made by *_open, *_create, *_load and edgewise_calibrate*, belong to the
 * caller and end with their *_close, which takes NULL too. A handle keeps what it needs of others:
 * a bundle may be closed while devices made from it live. Arguments are read during the call only;
 * nothing of the caller's is kept or freed. Strings are UTF-8 and end with a NUL; paths are bytes
 * as the file system has them.
 *
 * Threads. Functions without a handle may be called from any thread. All functions of a handle,
 * *_close excepted, may be called from any number of threads at once, also while one of them
 * changes it: each call sees the handle before or after a change, never half of one. The last error
 * belongs to the thread. A callback runs in the thread of the call that took it, and may call
 * anything.
 *
 * ABI. Structs that begin with `struct_size` may grow at their end: set it to the sizeof that your
 * program was compiled with (the *_INIT macros do), and the library reads and writes no further.
 * Other structs never change while SOVERSION stays. Before 1.0, SOVERSION is MAJOR.MINOR.
 *
 * Memory. edgewise_device_predict, edgewise_device_predict_many and edgewise_classifier_classify
 * allocate nothing, once a thread has called them with as many classes and as long a label.
 *
 * C99 and C++17. Thinner to use from C++: edgewise/edgewise.hpp.
 */
#ifndef EDGEWISE_EDGEWISE_H
#define EDGEWISE_EDGEWISE_H

#include <stddef.h>
#include <stdint.h>

#include "edgewise/version.h"

#if defined(_WIN32) && defined(EDGEWISE_BUILDING)
#define EDGEWISE_API __declspec(dllexport)
#elif defined(_WIN32) && !defined(EDGEWISE_STATIC)
#define EDGEWISE_API __declspec(dllimport)
#elif defined(__GNUC__)
#define EDGEWISE_API __attribute__((visibility("default")))
#else
#define EDGEWISE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Status ------------------------------------------------------------------------------- */

typedef enum edgewise_status {
  EDGEWISE_OK = 0,
  EDGEWISE_ERROR_ARGUMENT = 1,       /* a value that was passed cannot be used */
  EDGEWISE_ERROR_ARCHITECTURE = 2,   /* malformed or of another space; names the position */
  EDGEWISE_ERROR_BUNDLE = 3,         /* a file is damaged, of another kind, or too new */
  EDGEWISE_ERROR_PROFILE = 4,        /* a saved file belongs to another space, bundle or version */
  EDGEWISE_ERROR_MEASUREMENT = 5,    /* a timing is no usable number of milliseconds */
  EDGEWISE_ERROR_NOT_CALIBRATED = 6, /* a classifier was asked before any class was shown */
  EDGEWISE_ERROR_STORAGE = 7,        /* a file could not be written; the old one is untouched */
  EDGEWISE_ERROR_TOO_SMALL = 8,      /* a buffer is too small; what it needs is written */
  EDGEWISE_ERROR_OUT_OF_MEMORY = 9,
  EDGEWISE_ERROR_MODEL_FILE = 10,    /* a model file is damaged or cannot be lowered */
  EDGEWISE_ERROR_INTERNAL = 99       /* a bug of edgewise */
} edgewise_status;

/* The version of the library that runs, "MAJOR.MINOR.PATCH"; EDGEWISE_VERSION is that of the
 * header. Static; never NULL. */
EDGEWISE_API const char* edgewise_version(void);

/* What went wrong in the last call of this thread that failed: one line, never NULL, at most 1023
 * bytes. Owned by the library; valid until this thread's next call that fails. */
EDGEWISE_API const char* edgewise_last_error(void);

/* "EDGEWISE_ERROR_BUNDLE" and so on. Static; never NULL. */
EDGEWISE_API const char* edgewise_status_name(edgewise_status status);

/* How strings are given back: `buffer` (capacity bytes) gets the string and its NUL, and *length
 * the number of bytes without the NUL. Where it does not fit, the status is
 * EDGEWISE_ERROR_TOO_SMALL, *length is written and the buffer is not. `length` may be NULL, and
 * `buffer` where capacity is 0. */

/* ---- Bundles ------------------------------------------------------------------------------ */

/* A trained part: priors of a space, or an embedder. The files are those in the `bundles` folder of
 * the Python package. */
typedef struct edgewise_bundle edgewise_bundle;

/* Maps the file at `path`, whose structure is checked. With `kind` ("latency", "embedder",
 * "profile", "classifier", "zoo"), any other is refused; NULL takes all. The file may be replaced
 * by rename while it is open, not overwritten. *bundle is the caller's. */
EDGEWISE_API edgewise_status edgewise_bundle_open(const char* path, const char* kind,
                                                  edgewise_bundle** bundle);

/* The same of `size` bytes at `data`, which are copied. `label` stands for the file's name in
 * messages; NULL for none. */
EDGEWISE_API edgewise_status edgewise_bundle_open_memory(const void* data, size_t size,
                                                         const char* label, const char* kind,
                                                         edgewise_bundle** bundle);
EDGEWISE_API void edgewise_bundle_close(edgewise_bundle* bundle);

/* Its kind, its name, and its manifest (JSON: training data, licence, metrics). Owned by the
 * bundle, valid until it is closed; NULL only for a NULL bundle. */
EDGEWISE_API const char* edgewise_bundle_kind(const edgewise_bundle* bundle);
EDGEWISE_API const char* edgewise_bundle_name(const edgewise_bundle* bundle);
EDGEWISE_API const char* edgewise_bundle_manifest(const edgewise_bundle* bundle);

/* Checks the sha256 of every tensor now, instead of when it is first used. */
EDGEWISE_API edgewise_status edgewise_bundle_verify(const edgewise_bundle* bundle);

/* The bytes of a tensor, checked against its sha256: "embedder.int8.tflite" of an embedder is the
 * model that a runtime loads. In place, but for tensors that borrow weights from another (the other
 * three models of an embedder from this one), which are put together when first asked for. Aligned
 * to 64 bytes, owned by the bundle, valid until it is closed. EDGEWISE_ERROR_BUNDLE where there is
 * none; reference models are stored deflated and are refused. */
EDGEWISE_API edgewise_status edgewise_bundle_data(const edgewise_bundle* bundle, const char* name,
                                                  const void** data, size_t* size);

/* ---- Spaces ------------------------------------------------------------------------------- */

/* A space of architectures. Static: never closed. */
typedef struct edgewise_space edgewise_space;

/* The space of that name ("nasbench201", "fbnet", "ofa", "supernet", "transformer"), or of a latency
 * bundle. */
EDGEWISE_API edgewise_status edgewise_space_get(const char* name, const edgewise_space** space);
EDGEWISE_API edgewise_status edgewise_bundle_space(const edgewise_bundle* bundle,
                                                   const edgewise_space** space);

/* Its name: static; NULL only for a NULL space. */
EDGEWISE_API const char* edgewise_space_name(const edgewise_space* space);

/* How many architectures it has; 0 where they are too many to list, or for a NULL space. */
EDGEWISE_API size_t edgewise_space_size(const edgewise_space* space);

/* The architecture of that index below edgewise_space_size, as a string. */
EDGEWISE_API edgewise_status edgewise_space_architecture(const edgewise_space* space, size_t index,
                                                         char* buffer, size_t capacity,
                                                         size_t* length);

/* The canonical string of an architecture: equal networks have equal strings. */
EDGEWISE_API edgewise_status edgewise_space_parse(const edgewise_space* space, const char* arch,
                                                  char* buffer, size_t capacity, size_t* length);

/* Twice the multiply-accumulates of one run, of what deployment compilers leave of the network. */
EDGEWISE_API edgewise_status edgewise_space_flops(const edgewise_space* space, const char* arch,
                                                  double* flops);

/* One step of a network, as a runtime executes it. `op` and `activation` are static strings:
 * "conv", "linear", "add", "avg_pool", ...; activation "identity" where there is none. Sizes of
 * the first input and of the result; what is no image has height 1. A depthwise convolution has as
 * many groups as channels. */
typedef struct edgewise_kernel {
  const char* op;
  const char* activation;
  int32_t batch;
  int32_t height, width, in_channels;
  int32_t out_height, out_width, out_channels;
  int32_t kernel_height, kernel_width, stride, groups;
} edgewise_kernel;

/* The kernels of an architecture in order of execution: what to build or time in an engine of your
 * own. Writes *count; and the kernels if `capacity` of them suffices, else
 * EDGEWISE_ERROR_TOO_SMALL. `kernels` may be NULL where capacity is 0. */
EDGEWISE_API edgewise_status edgewise_space_kernels(const edgewise_space* space, const char* arch,
                                                    edgewise_kernel* kernels, size_t capacity,
                                                    size_t* count);

/* ---- Calibrating -------------------------------------------------------------------------- */

/* A calibrated device: predicts the milliseconds of any architecture of its space. */
typedef struct edgewise_device edgewise_device;

/* How many architectures a latency bundle names for timing, the most telling first (the first ten
 * are what is timed by default), and the one at `index`. */
EDGEWISE_API edgewise_status edgewise_reference_count(const edgewise_bundle* bundle, size_t* count);
EDGEWISE_API edgewise_status edgewise_reference(const edgewise_bundle* bundle, size_t index,
                                                char* buffer, size_t capacity, size_t* length);

typedef struct edgewise_calibration {
  size_t struct_size;  /* sizeof(edgewise_calibration) */
  size_t samples;      /* architectures that edgewise_calibrate_by times; 0: ten */
  const char* device;  /* name of the device, for the profile's readers; NULL: unknown */
  const char* runtime; /* what runs the networks, and its version; NULL: not said */
  int32_t threads;     /* of that; 0: one */
} edgewise_calibration;

#define EDGEWISE_CALIBRATION_INIT {sizeof(edgewise_calibration), 0, NULL, NULL, 0}

/* Calibrates by timings that the caller has: `ms` (n) milliseconds, the median of one run each, of
 * `archs` (n) different architectures of the bundle's space, at least two. `options` may be NULL.
 * EDGEWISE_ERROR_MEASUREMENT, naming the architecture, unless a timing is positive and finite. */
EDGEWISE_API edgewise_status edgewise_calibrate(const edgewise_bundle* bundle,
                                                const char* const* archs, const double* ms,
                                                size_t n, const edgewise_calibration* options,
                                                edgewise_device** device);

/* Gives the milliseconds of an architecture: the median of some runs of it. `arch` is valid during
 * the call. What is not positive and finite ends the calibration with EDGEWISE_ERROR_MEASUREMENT.
 * Must return: neither longjmp nor a C++ exception may leave it. */
typedef double (*edgewise_measure)(const char* arch, void* user);

/* The same by asking `measure`, once for each of the bundle's first references. `user` is passed on
 * and may be NULL. */
EDGEWISE_API edgewise_status edgewise_calibrate_by(const edgewise_bundle* bundle,
                                                   edgewise_measure measure, void* user,
                                                   const edgewise_calibration* options,
                                                   edgewise_device** device);
EDGEWISE_API void edgewise_device_close(edgewise_device* device);

/* ---- Predicting --------------------------------------------------------------------------- */

/* The expected median of one run, and where it lies with the confidence asked for. */
typedef struct edgewise_prediction {
  double ms, low, high;
} edgewise_prediction;

/* Predicts one architecture; 0 < confidence < 1, 0.9 being the usual one. About a microsecond;
 * allocates nothing. */
EDGEWISE_API edgewise_status edgewise_device_predict(const edgewise_device* device,
                                                     const char* arch, double confidence,
                                                     edgewise_prediction* prediction);

/* Predicts `archs` (n) into `predictions` (n), all by one state of the device; allocates nothing.
 * On an error, which names the first architecture at fault, what was written is not to be used. */
EDGEWISE_API edgewise_status edgewise_device_predict_many(const edgewise_device* device,
                                                          const char* const* archs, size_t n,
                                                          double confidence,
                                                          edgewise_prediction* predictions);

/* The architecture whose timing would teach most, of `candidates` (n). With n = 0, candidates may
 * be NULL: of all that are not timed yet, or in spaces too large to list, of the bundle's
 * references. */
EDGEWISE_API edgewise_status edgewise_device_next_reference(const edgewise_device* device,
                                                            const char* const* candidates, size_t n,
                                                            char* buffer, size_t capacity,
                                                            size_t* length);

/* Adds a timing, or replaces that of the same architecture, and adapts again: a few milliseconds,
 * in which other threads predict on by the old state. The saved profile is not touched. */
EDGEWISE_API edgewise_status edgewise_device_update(edgewise_device* device, const char* arch,
                                                    double ms);

/* The noise of the timings as the predictor sees it: a relative standard deviation. */
EDGEWISE_API edgewise_status edgewise_device_noise(const edgewise_device* device, double* noise);

/* How many architectures were timed; then name and milliseconds of each, in order of timing. */
EDGEWISE_API edgewise_status edgewise_device_timing_count(const edgewise_device* device,
                                                          size_t* count);
EDGEWISE_API edgewise_status edgewise_device_timing(const edgewise_device* device, size_t index,
                                                    char* buffer, size_t capacity, size_t* length,
                                                    double* ms);

/* Writes a profile, which edgewise.Device.load of the Python package reads too; atomically: the
 * file is whole, old or new, whatever happens meanwhile. */
EDGEWISE_API edgewise_status edgewise_device_save(const edgewise_device* device, const char* path);

/* Reads a profile that this library or the Python package wrote (predictor "edgewise"), of the same
 * MAJOR.MINOR version. `bundle` is the one that it was made with; NULL opens it where the profile
 * says that it lies. EDGEWISE_ERROR_PROFILE for another bundle. */
EDGEWISE_API edgewise_status edgewise_device_load(const char* path, const edgewise_bundle* bundle,
                                                  edgewise_device** device);

/* ---- Pictures ----------------------------------------------------------------------------- */

/* Resizes a picture, row-major (height, width, channels), to (out_height, out_width, channels), as
 * the embedder's training did: the same bytes on every machine. `out` must not overlap `in`. */
EDGEWISE_API edgewise_status edgewise_resize(const uint8_t* in, size_t height, size_t width,
                                             size_t channels, uint8_t* out, size_t out_height,
                                             size_t out_width);

/* ---- Few-shot classification -------------------------------------------------------------- */

/* Classes from a few examples each, by the embeddings that a network of the caller's gives. */
typedef struct edgewise_classifier edgewise_classifier;

typedef enum edgewise_metric {
  EDGEWISE_COSINE = 0,   /* the score of a class is the cosine with its mean: -1 to 1 */
  EDGEWISE_EUCLIDEAN = 1 /* minus the squared distance from its mean */
} edgewise_metric;

typedef struct edgewise_classifier_options {
  size_t struct_size;     /* sizeof(edgewise_classifier_options) */
  size_t dim;             /* numbers of an embedding */
  edgewise_metric metric;
  double temperature;     /* probabilities are softmax(temperature * score) */
  double threshold;       /* a best score below it is of no known class; -HUGE_VAL: all are known */
} edgewise_classifier_options;

#define EDGEWISE_CLASSIFIER_OPTIONS_INIT \
  {sizeof(edgewise_classifier_options), 0, EDGEWISE_COSINE, 1.0, -1e300}

/* An empty classifier for embeddings of the caller's own kind. */
EDGEWISE_API edgewise_status edgewise_classifier_create(const edgewise_classifier_options* options,
                                                        edgewise_classifier** classifier);

/* An empty classifier with the constants that an embedder bundle was calibrated to, and with the
 * background that it tells unknown pictures by, where it has one. `precision`
 * names its model that gives the embeddings, "float32" or "int8"; it is noted in saved files. */
EDGEWISE_API edgewise_status edgewise_classifier_create_for(const edgewise_bundle* embedder,
                                                            const char* precision,
                                                            edgewise_classifier** classifier);
EDGEWISE_API void edgewise_classifier_close(edgewise_classifier* classifier);

/* Numbers of an embedding; 0 only for NULL. */
EDGEWISE_API size_t edgewise_classifier_dim(const edgewise_classifier* classifier);

/* Shows `n` examples of a class, `embeddings` (n, dim) row-major; again: more examples. The label
 * is not empty and UTF-8. All are added or, on an error, none. */
EDGEWISE_API edgewise_status edgewise_classifier_add(edgewise_classifier* classifier,
                                                     const char* label, const float* embeddings,
                                                     size_t n);

/* Forgets a class. EDGEWISE_ERROR_ARGUMENT when there is none of that label. */
EDGEWISE_API edgewise_status edgewise_classifier_remove(edgewise_classifier* classifier,
                                                        const char* label);

/* How many classes there are; then the label and the number of examples of each, in the order of
 * their first example. `examples` may be NULL. */
EDGEWISE_API edgewise_status edgewise_classifier_class_count(const edgewise_classifier* classifier,
                                                             size_t* count);
EDGEWISE_API edgewise_status edgewise_classifier_class(const edgewise_classifier* classifier,
                                                       size_t index, char* buffer, size_t capacity,
                                                       size_t* length, int64_t* examples);

typedef struct edgewise_classification {
  size_t struct_size; /* sizeof(edgewise_classification) */
  double probability; /* of the best class, if the picture is of one of the classes */
  double score;       /* of the best class */
  int32_t is_unknown; /* 1 when like none of the classes: the score, less what the embedder bundle's
                         background takes off where it has one, is below the threshold */
} edgewise_classification;

#define EDGEWISE_CLASSIFICATION_INIT {sizeof(edgewise_classification), 0.0, 0.0, 0}

/* Classifies one embedding (dim). `label` (capacity bytes) gets the best class, also of what is
 * unknown; it may be NULL with capacity 0 where only the rest is wanted. Set struct_size of *result
 * first. EDGEWISE_ERROR_NOT_CALIBRATED when there are no classes; EDGEWISE_ERROR_TOO_SMALL when the
 * label does not fit. Allocates nothing once warm. */
EDGEWISE_API edgewise_status edgewise_classifier_classify(const edgewise_classifier* classifier,
                                                          const float* embedding, char* label,
                                                          size_t capacity,
                                                          edgewise_classification* result);

/* Writes the classes, atomically; no picture is in the file. Those of a classifier that was made
 * for an embedder bundle can be read by FewShotClassifier.load of the Python package. */
EDGEWISE_API edgewise_status edgewise_classifier_save(const edgewise_classifier* classifier,
                                                      const char* path);

/* Reads what edgewise_classifier_save, or the Python package (head "prototype"), wrote. Temperature,
 * threshold and background come from `embedder`, which must be the bundle that it was made with; NULL
 * opens it where the file says that it lies. */
EDGEWISE_API edgewise_status edgewise_classifier_load(const char* path,
                                                      const edgewise_bundle* embedder,
                                                      edgewise_classifier** classifier);

/* The same for embeddings of the caller's own kind, with the constants of `options`, whose dim and
 * metric must be those of the file. */
EDGEWISE_API edgewise_status edgewise_classifier_load_own(
    const char* path, const edgewise_classifier_options* options, edgewise_classifier** classifier);

/* ---- Nearest directions ------------------------------------------------------------------- */

typedef struct edgewise_neighbour {
  size_t row;
  float cosine;
} edgewise_neighbour;

/* The rows of an index that point most nearly where `query` (dim) points, by brute force over 8-bit
 * numbers: row i is rows[i] (count, dim, row-major) times scales[i], of unit length. With `mask`
 * (count), only rows where it is not 0; NULL takes all. Writes at most `k` of them, the best first,
 * and how many to *found. */
EDGEWISE_API edgewise_status edgewise_nearest(const int8_t* rows, const float* scales, size_t count,
                                              size_t dim, const uint8_t* mask, const float* query,
                                              size_t k, edgewise_neighbour* neighbours,
                                              size_t* found);

#ifdef __cplusplus
}
#endif

#endif
