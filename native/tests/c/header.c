/* The header is C99, and its initialisers are. */
#include "edgewise/edgewise.h"

#include <string.h>

int header_is_c99(void);

int header_is_c99(void) {
  const edgewise_calibration calibration = EDGEWISE_CALIBRATION_INIT;
  const edgewise_classifier_options options = EDGEWISE_CLASSIFIER_OPTIONS_INIT;
  const edgewise_classification result = EDGEWISE_CLASSIFICATION_INIT;
  return calibration.struct_size == sizeof calibration && options.struct_size == sizeof options &&
         result.struct_size == sizeof result && strcmp(edgewise_version(), EDGEWISE_VERSION) == 0;
}
