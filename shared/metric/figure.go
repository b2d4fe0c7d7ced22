package metric

// Figure is one measured figure, beside what it must be held against.
type Figure struct {
	Model    string `json:"model"`
	Data     string `json:"data"`
	Settings string `json:"settings,omitempty"`
	What     string `json:"figure"`
	Unit     string `json:"unit"`
	// Value, with the half-width of its 95 % interval where there is one.
	Value float64 `json:"value"`
	Half  float64 `json:"half_interval,omitempty"`
	// Baseline is the same figure of something simple or of real rows, which Against names.
	Baseline *float64 `json:"baseline,omitempty"`
	Against  string   `json:"against,omitempty"`
}
