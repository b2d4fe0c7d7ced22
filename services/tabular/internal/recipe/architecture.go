package recipe

// architectures are all kinds of models.
func architectures() map[string]architecture {
	return map[string]architecture{
		"counting": {decodeAs[countingModel], openCounting},
	}
}
