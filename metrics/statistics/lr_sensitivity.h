// SPDX-License-Identifier: Apache-2.0
// Learning-rate sensitivity of arXiv 2309.14322 (section 2.2): E over the rates of min(loss(rate), initial loss) - best
// loss, the plain mean over points that are evenly spaced in log rate. A run that diverged or ended without a number
// counts as the initial loss, so a failure costs what it threw away, not infinity. The paper's range is 3e-4 to 3e-1;
// only sensitivities over the same rates may be compared.
#pragma once

#include <span>

namespace precipice {

struct LrSensitivity {
  double sensitivity = 0;  // nats; NaN without points or without an initial loss
  double best_loss = 0;    // over the rates, capped likewise
};
LrSensitivity lr_sensitivity(std::span<const double> losses, double initial_loss);  // one loss per rate

}  // namespace precipice
