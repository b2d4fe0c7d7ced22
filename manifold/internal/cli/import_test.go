package cli

import "testing"

func TestPictureSize(t *testing.T) {
	for _, c := range []struct {
		text          string
		width, height int
		ok            bool
	}{{"", 0, 0, true}, {"64", 64, 64, true}, {"96x64", 96, 64, true}, {"0", 0, 0, false}, {"x", 0, 0, false},
		{"64x", 0, 0, false}, {"-1x4", 0, 0, false}, {"a", 0, 0, false}} {
		w, h, err := pictureSize(c.text)
		if (err == nil) != c.ok || c.ok && (w != c.width || h != c.height) {
			t.Errorf("%q: %d %d %v", c.text, w, h, err)
		}
	}
}
