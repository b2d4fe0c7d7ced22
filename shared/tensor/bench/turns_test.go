package bench

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// Every network states what it counts; names are unique and have the shape in them.
func TestWorkloads(t *testing.T) {
	var names []string
	for _, w := range Workloads() {
		names = append(names, w.Name)
		if w.Unit == "" || w.Items <= 0 || w.Flops <= 0 || w.New == nil || !strings.Contains(w.Name, "/") {
			t.Errorf("%+v lacks something", w)
		}
	}
	if len(names) == 0 || len(slices.Compact(slices.Sorted(slices.Values(names)))) != len(names) {
		t.Fatalf("names are missing or double: %v", names)
	}
	if _, err := Find("nope"); err == nil || !strings.Contains(err.Error(), names[0]) {
		t.Errorf("%v does not list what there is", err)
	}
}

func TestTurns(t *testing.T) {
	w, err := Find("product/f32/16x384x1536")
	if err != nil {
		t.Fatal(err)
	}
	turn := w.Turns()
	for range 2 {
		m := turn(time.Microsecond)
		if m.Name != w.Name || m.Seconds <= 0 || m.PerSecond != w.Items/m.Seconds || m.GFs <= 0 || m.Flops != w.Flops {
			t.Errorf("%+v", m)
		}
	}
	if m := w.Measure(1); m.Seconds <= 0 {
		t.Errorf("%+v", m)
	}
}
