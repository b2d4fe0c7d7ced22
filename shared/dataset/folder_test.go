package dataset

import (
	"archive/zip"
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"
)

func pngOf(img image.Image) []byte {
	var b bytes.Buffer
	_ = png.Encode(&b, img) // a Buffer takes every write
	return b.Bytes()
}

// flat is a picture of one colour.
func flat(h, w int, c color.Color) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range h * w {
		img.Set(i%w, i/w, c)
	}
	return img
}

type file struct {
	name string
	data []byte
}

func zipOf(t testing.TB, files ...file) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range files {
		w, err := z.Create(f.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return writeFile(t, t.TempDir(), "x.zip", b.Bytes())
}

func TestDecodeChannels(t *testing.T) {
	half := color.NRGBA{R: 200, G: 100, B: 50, A: 128}
	rows := []struct {
		name string
		img  image.Image
		f    Format
		want []byte
	}{
		{"opaque", flat(1, 1, color.NRGBA{10, 20, 30, 255}), Format{}, []byte{10, 20, 30}},
		{"transparent on white", flat(1, 1, color.NRGBA{}), Format{}, []byte{255, 255, 255}},
		{"transparent on black", flat(1, 1, color.NRGBA{}), Format{Background: color.Black}, []byte{0, 0, 0}},
		// 200*128/255 + 255*127/255 = 227.4, and so on
		{"half on white", flat(1, 1, half), Format{}, []byte{227, 177, 152}},
		{"straight alpha stays", flat(1, 1, half), Format{Channels: 4}, []byte{200, 100, 50, 128}},
		{"gray", flat(1, 1, color.NRGBA{10, 20, 30, 255}), Format{Channels: 1}, []byte{18}},
		{"gray to gray", flat(1, 1, color.Gray{77}), Format{Channels: 1}, []byte{77}},
		{"paletted", image.NewPaletted(image.Rect(0, 0, 1, 1), color.Palette{color.RGBA{1, 2, 3, 255}}), Format{},
			[]byte{1, 2, 3}},
		{"16 bits", image.NewGray16(image.Rect(0, 0, 1, 1)), Format{}, []byte{0, 0, 0}},
	}
	for _, r := range rows {
		got, h, w, err := Decode(pngOf(r.img), r.f)
		if err != nil || h != 1 || w != 1 || !bytes.Equal(got, r.want) {
			t.Errorf("%s: %v %v, want %v", r.name, got, err, r.want)
		}
	}
}

func TestDecodeResize(t *testing.T) {
	// Left half red, right half blue, with a green border above and below that the crop must cut.
	img := flat(12, 8, color.NRGBA{0, 255, 0, 255})
	for y := 2; y < 10; y++ {
		for x := range 8 {
			c := color.NRGBA{255, 0, 0, 255}
			if x >= 4 {
				c = color.NRGBA{0, 0, 255, 255}
			}
			img.Set(x, y, c)
		}
	}
	got, h, w, err := Decode(pngOf(img), Format{Height: 4, Width: 4})
	if err != nil || h != 4 || w != 4 {
		t.Fatal(err)
	}
	for y := range 4 {
		for _, x := range []int{0, 3} {
			p := got[(y*4+x)*3:]
			wantRed := x == 0
			if (p[0] > 200) != wantRed || (p[2] > 200) == wantRed || p[1] > 10 {
				t.Errorf("at %d,%d: %v", y, x, p[:3])
			}
		}
	}
	same, _, _, err := Decode(pngOf(img), Format{Height: 12, Width: 8})
	if err != nil || !bytes.Equal(same, pack(img, Format{Channels: 3, Background: color.White})) {
		t.Error("a picture of the right size was changed", err)
	}
	_, h, w, err = Decode(pngOf(flat(1, 100, color.White)), Format{Height: 7, Width: 5})
	if err != nil || h != 7 || w != 5 {
		t.Error(h, w, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := pngOf(flat(2, 2, color.White))
	huge := append([]byte(nil), good...)
	copy(huge[16:], []byte{0, 0, 0x40, 0, 0, 0, 0x40, 0}) // 16384 x 16384
	rows := map[string]struct {
		b    []byte
		f    Format
		want string
	}{
		"empty":     {nil, Format{}, "neither PNG nor JPEG"},
		"text":      {[]byte("GIF89a not a picture"), Format{}, "neither PNG nor JPEG"},
		"cut short": {good[:len(good)-20], Format{}, "bad picture"},
		"header":    {good[:20], Format{}, "bad header"},
		"checksum":  {huge, Format{}, "bad header"},
		"big file":  {good, Format{Limits: Limits{File: 10}}, "at most 10 are allowed"},
		"jpeg":      {[]byte{0xff, 0xd8, 0xff}, Format{}, "bad header"},
	}
	for name, r := range rows {
		_, _, _, err := Decode(r.b, r.f)
		wantFault(t, name, err, fault.Corrupt, r.want)
	}
	wide := pngOf(image.NewGray(image.Rect(0, 0, 4096, 4096)))
	_, _, _, err := Decode(wide, Format{Limits: Limits{File: 1 << 20}})
	wantFault(t, "unpacks too far", err, fault.Corrupt, "4096x4096")
	for _, f := range []Format{{Channels: 2}, {Height: 3}, {Height: -1, Width: -1}, {Height: 1 << 20, Width: 1 << 20}} {
		_, _, _, err := Decode(good, f)
		wantFault(t, "format", err, fault.Invalid, "allowed")
	}
}

func TestFolderAndZipAgree(t *testing.T) {
	var jpg bytes.Buffer
	if err := jpeg.Encode(&jpg, flat(2, 2, color.White), nil); err != nil {
		t.Fatal(err)
	}
	files := []file{
		{"set/dog/b.JPEG", jpg.Bytes()},
		{"set/cat/a.png", pngOf(flat(2, 2, color.NRGBA{9, 8, 7, 255}))},
		{"set/dog/a.png", pngOf(flat(2, 2, color.Black))},
		{"set/dog/.hidden.png", []byte("x")},
		{"set/readme.txt", []byte("x")},
	}
	dir := t.TempDir()
	for _, f := range files {
		writeFile(t, dir, f.name, f.data)
	}
	a, err := OpenFolder(dir, Format{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := OpenZip(zipOf(t, files...), Format{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if a.Hash() != b.Hash() || a.Len() != 3 || a.Classes()[0] != "cat" || a.Label(0) != 0 || a.Label(2) != 1 {
		t.Fatal(a.Len(), a.Classes(), a.Hash(), b.Hash())
	}
	if a.Bytes(0)[0] != 9 || a.Bytes(1)[0] != 0 || a.Bytes(2)[0] != 255 {
		t.Error("not in the order of the names")
	}
	one, err := OpenZip(zipOf(t, files[0], files[2]), Format{}, nil)
	if err != nil || len(one.Classes()) != 0 || one.Label(0) != -1 {
		t.Error("one folder is not a set without classes", err)
	}
}

func TestFolderRefuses(t *testing.T) {
	white := pngOf(flat(2, 2, color.White))
	wide := pngOf(image.NewGray(image.Rect(0, 0, 4096, 4096)))
	rows := map[string]struct {
		files []file
		f     Format
		want  string
	}{
		"nothing":     {[]file{{"a.txt", nil}}, Format{}, "no pictures"},
		"mixed":       {[]file{{"a.png", white}, {"b/a.png", white}}, Format{}, "others in none"},
		"two sizes":   {[]file{{"a.png", white}, {"b.png", pngOf(flat(3, 2, color.White))}}, Format{}, "b.png: 3x2"},
		"broken":      {[]file{{"a.png", white}, {"b.png", white[:30]}}, Format{}, "b.png"},
		"twice":       {[]file{{"a.png", white}, {"a.png", white}}, Format{}, "there twice"},
		"many":        {[]file{{"a.png", white}, {"b.png", white}}, Format{Limits: Limits{Items: 1}}, "at most 1"},
		"much":        {[]file{{"a.png", white}, {"b.png", white}}, Format{Limits: Limits{Bytes: 20}}, "at most 20"},
		"bomb":        {[]file{{"a.png", make([]byte, 1<<22)}}, Format{Limits: Limits{File: 1 << 20}}, "more than 1048576"},
		"not a PNG":   {[]file{{"a.png", []byte("MZ")}}, Format{}, "neither PNG nor JPEG"},
		"escaping":    {[]file{{"../a.png", white}}, Format{}, ""},
		"unpack size": {[]file{{"a.png", wide}}, Format{Limits: Limits{File: 1 << 20}}, "4096x4096"},
	}
	for name, r := range rows {
		_, err := OpenZip(zipOf(t, r.files...), r.f, nil)
		if name == "escaping" { // nothing is ever written, so the name is only a label
			if err != nil {
				t.Error(err)
			}
			continue
		}
		wantFault(t, name, err, fault.Corrupt, r.want)
	}
	_, err := OpenZip(writeFile(t, t.TempDir(), "x.zip", []byte("no archive")), Format{}, nil)
	wantFault(t, "no zip", err, fault.Corrupt, "zip")
	_, err = OpenZip("/does/not/exist.zip", Format{}, nil)
	wantFault(t, "no file", err, fault.NotFound, "")
	_, err = OpenFolder("/does/not/exist", Format{}, nil)
	wantFault(t, "no folder", err, fault.NotFound, "")
}

// TestItemThatLies unpacks to more than the archive's directory says: io.LimitReader stops it.
func TestItemThatLies(t *testing.T) {
	endless := item{name: "x", open: func() (io.ReadCloser, error) { return io.NopCloser(zeros{}), nil }}
	_, err := endless.read(1 << 16)
	wantFault(t, "endless", err, fault.Corrupt, "more than 65536 bytes")
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// FuzzDecode: no input panics, and what is accepted has the size that was asked for.
func FuzzDecode(f *testing.F) {
	var jpg bytes.Buffer
	_ = jpeg.Encode(&jpg, flat(3, 4, color.White), nil) // a Buffer takes every write
	f.Add(jpg.Bytes())
	f.Add(pngOf(flat(3, 4, color.NRGBA{1, 2, 3, 4})))
	f.Add(pngOf(image.NewGray16(image.Rect(0, 0, 2, 2))))
	f.Fuzz(func(t *testing.T, b []byte) {
		limits := Limits{File: 1 << 20}
		px, h, w, err := Decode(b, Format{Limits: limits})
		if err == nil && len(px) != h*w*3 {
			t.Fatalf("%d bytes for %dx%d", len(px), h, w)
		}
		px, _, _, err = Decode(b, Format{Height: 5, Width: 7, Channels: 1, Limits: limits})
		if err == nil && len(px) != 35 {
			t.Fatalf("%d bytes for 5x7", len(px))
		}
	})
}
