# SPDX-License-Identifier: Apache-2.0
"""What each figure of the report shows, by its name, in the order of the page."""

DESCRIPTIONS = {
    "final_loss": "Final validation loss against the learning rate (the U-curve); by format where there is one rate.",
    "difference": "Differences of the final loss to the reference within seeds, their mean and its interval.",
    "divergence": "Maps by format and rate: the fraction of seeds that diverged, and the median final loss.",
    "ladder": "Loss against bits, where formats are a family that differs in its bits.",
    "loss_curves": "Training loss over steps by rate; bands from the lowest to the highest seed.",
    "difference_curves": "Training loss less the reference's on the same seed, over windows of the steps.",
    "raster": "Jumps of the loss: a row for each seed.",
    "survival": "Fraction of runs that have not diverged, over steps (Kaplan-Meier).",
    "lr_sensitivity": "Learning-rate sensitivity of each format (arXiv 2309.14322).",
    "departures": "Sharpness and loss against the reference on the same steps.",
    "sharpness": "Sharpness over steps.",
    "tensors": "Fractions of saturated and flushed elements by site.",
    "lbfgs": "Logit sharpness: exact and by L-BFGS.",
    "exponent_ends": "Exponents of the operands over all sites, and the ends of formats over them.",
    "histograms": "Exponents of the operands by site.",
    "online": "Groups of series that no other figure is about.",
    "landscapes": "Slices of the loss surface, of files that `precipice landscape` wrote.",
}
