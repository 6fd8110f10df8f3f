"""From profiles to scores: slots of features, weights, calibration, reasons and records."""
