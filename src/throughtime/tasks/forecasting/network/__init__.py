"""The forecasting network: naive experts, a recurrent layer and its decoders, covariates, likelihoods and losses."""
