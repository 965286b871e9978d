// SPDX-License-Identifier: Apache-2.0
#include "train/probes/log_groups.h"

namespace precipice {

// In the order of EvalValue.
SeriesGroup eval_group() {
  return {"eval",
          {{"validation_loss", "nats", "mean cross-entropy on the validation batches, per token"},
           {"excess_loss", "nats", "validation loss above the entropy rate of the source; NaN where that is unknown"}},
          {}};
}

}  // namespace precipice
