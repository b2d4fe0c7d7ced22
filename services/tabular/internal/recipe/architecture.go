package recipe

// architectures are all kinds of models.
func architectures() map[string]architecture {
	return map[string]architecture{
		"bayes-net": {decodeAs[networkModel], openNetwork},
		"counting":  {decodeAs[countingModel], openCounting},
	}
}
