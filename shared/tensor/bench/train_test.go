package bench

import "testing"

// TestTrainingAllocatesNothing runs steps of training until they are steady.
func TestTrainingAllocatesNothing(t *testing.T) {
	for _, w := range trainings() {
		run := w.New()
		run()
		if n := testing.AllocsPerRun(20, run); n != 0 {
			t.Errorf("%s: %g allocations a step", w.Name, n)
		}
	}
}
