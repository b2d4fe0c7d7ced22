package recipe

// architectures are all kinds of models.
func architectures() map[string]architecture {
	return map[string]architecture{
		"bayes-net":   {decode: decodeAs[networkModel], open: openNetwork},
		"counting":    {decode: decodeAs[countingModel], open: openCounting, sums: true},
		"copula":      {decode: decodeAs[copulaModel], open: openCopula},
		"logistic":    {decode: decodeAs[logisticModel], open: openLogistic},
		"naive-bayes": {decode: decodeAs[naiveModel], open: openNaive, sums: true},
	}
}
