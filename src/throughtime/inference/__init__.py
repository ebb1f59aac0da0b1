"""What a trained model does with data, without torch: the estimators and `throughtime.runtime` share it."""
