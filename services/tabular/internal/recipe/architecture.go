package recipe

// architectures are all kinds of models.
func architectures() map[string]architecture {
	return map[string]architecture{
		"bayes-net": {decodeAs[networkModel], openNetwork, false},
		"counting":  {decodeAs[countingModel], openCounting, true},
	}
}
