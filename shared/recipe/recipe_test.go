package recipe

import (
	"context"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"
)

func wantFault(t *testing.T, err error, kind fault.Kind, parts ...string) {
	t.Helper()
	if fault.KindOf(err) != kind {
		t.Fatalf("error %v is of kind %v, want %v", err, fault.KindOf(err), kind)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q does not say %q", err, p)
		}
	}
}

type sample struct {
	Name  string       `yaml:"name"`
	Data  Data         `yaml:"data"`
	Train train.Config `yaml:"train"`
}

func TestDecode(t *testing.T) {
	var r sample
	text := "name: a\ndata: {name: glyphs, size: 8}\ntrain: {steps: 3, optimizer: sgd, momentum: 0.5}\n"
	if err := Decode([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	if r.Name != "a" || r.Data.Size != 8 || r.Train.Optimizer != train.SGD || r.Train.Momentum != 0.5 {
		t.Errorf("read %+v", r)
	}
	for text, want := range map[string]string{
		"":                             "empty",
		"- a":                          "list of fields",
		"lerning: 3":                   `line 1: a recipe has no field "lerning"; known are name, data, train`,
		"name: a\ndata: {nome: x}":     `line 2: data has no field "nome"; known are name, images`,
		"train: {steps: many}":         "many",
		"name: a\n---\nname: b":        "more than one document",
		"name: &a x":                   "anchors",
		"name: [":                      "line 1",
		strings.Repeat("#", MaxText+1): "at most",
	} {
		wantFault(t, Decode([]byte(text), new(sample)), fault.Invalid, want)
	}
}

func TestDecodeLists(t *testing.T) {
	type inner struct {
		Deep int `yaml:"deep"`
	}
	var r struct {
		Source `yaml:",inline"`
		List   []inner `yaml:"list"`
	}
	if err := Decode([]byte("name: a\nlist: [{deep: 1}, {deep: 2}]\n"), &r); err != nil || r.Name != "a" ||
		len(r.List) != 2 || r.List[1].Deep != 2 {
		t.Errorf("read %+v, %v", r, err)
	}
	wantFault(t, Decode([]byte("list: [{deep: 1}, {deap: 2}]"), &r), fault.Invalid, `list has no field "deap"`)
	wantFault(t, Decode([]byte("nam: a"), &r), fault.Invalid, "known are name, file, list")
}

func TestFamily(t *testing.T) {
	for text, want := range map[string]string{
		"name: a\nfamily: vae\n": "vae", `{"family": "gan"}`: "gan", "name: a": "", "": "", "- family: vae": "",
		"data: {family: vae}": "", "family: [vae]": "", "family: &a vae\nname: *a": "vae", "name: [": "",
	} {
		if got := Family([]byte(text)); got != want {
			t.Errorf("the family of %q is %q, want %q", text, got, want)
		}
	}
	if err := CheckFamily([]byte("name: a"), "vae"); err != nil {
		t.Error(err)
	}
	err := CheckFamily([]byte("family: gan"), "vae")
	wantFault(t, err, fault.Invalid, `"gan", this service trains vae`)
	if fault.ReasonOf(err) != "WRONG_FAMILY" {
		t.Errorf("the reason is %s", fault.ReasonOf(err))
	}
}

func TestChecks(t *testing.T) {
	for _, name := range []string{"", "-a", "A", "a/b", strings.Repeat("a", 64)} {
		if v := CheckName(name); len(v) != 1 || v[0].Field != "name" {
			t.Errorf("%q: %v", name, v)
		}
	}
	if v := CheckName("rbm-500"); v != nil {
		t.Error(v)
	}
	d := Data{Size: 2000, Train: -1, Select: -1, Channels: 2}
	var fields []string
	for _, v := range d.Check() {
		fields = append(fields, v.Field)
	}
	if !slices.Equal(fields, []string{"data", "data.size", "data.train", "data.select", "data.channels"}) {
		t.Errorf("what is wrong: %q", fields)
	}
}

func TestOpenRegistered(t *testing.T) {
	d := Data{Name: "glyphs", Size: 8, Train: 20, Select: 5}
	p, err := d.Open(context.Background(), nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	if p.Train.Len() != 20 || p.Selection.Len() != 5 || p.Height != 8 || p.Width != 8 || len(p.Classes) == 0 || p.Own {
		t.Errorf("opened %+v", p)
	}
	d.Unlabelled = true
	q, err := d.Open(context.Background(), nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(q.Classes) != 0 || q.Fingerprint() == p.Fingerprint() {
		t.Errorf("without labels: %q, fingerprint %s", q.Classes, q.Fingerprint())
	}
	d.Train = 1 << 20
	_, err = d.Open(context.Background(), nil, 1)
	wantFault(t, err, fault.Invalid, "data.train")
}

func writePictures(t *testing.T, paint func(i int) color.Color) string {
	t.Helper()
	dir := t.TempDir()
	for i := range 24 {
		sub := filepath.Join(dir, []string{"cat", "dog"}[i/12])
		if err := os.MkdirAll(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		m := image.NewRGBA(image.Rect(0, 0, 28, 28))
		for k := range 28 * 28 {
			m.Set(k%28, k/28, paint(i))
		}
		f, err := os.Create(filepath.Join(sub, string(rune('a'+i))+".png"))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, m); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestOwnPictures(t *testing.T) {
	dir := writePictures(t, func(i int) color.Color { return color.RGBA{R: uint8(10 * i), A: 255} })
	d := Data{Images: dir}
	p, err := d.Open(context.Background(), nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	if p.Train.Len() != 23 || p.Selection.Len() != 1 || !p.Own || p.Licence != "not stated" {
		t.Errorf("opened %+v", p)
	}
	seen := map[int]bool{p.Selection.Index(0): true}
	for i := range p.Train.Len() {
		seen[p.Train.Index(i)] = true
	}
	if len(seen) != 24 {
		t.Errorf("the splits hold %d different pictures, want 24", len(seen))
	}
	if public := d.Public(); strings.Contains(public.Images, string(filepath.Separator)) || d.Images != dir {
		t.Errorf("published as %q", public.Images)
	}
	look, err := LookAt(dir)
	if err != nil || !look.All28 || look.Grey {
		t.Errorf("a look gives %+v, %v", look, err)
	}
	look, err = LookAt(writePictures(t, func(i int) color.Color { return color.Gray{Y: uint8(10 * i)} }))
	if err != nil || !look.Grey {
		t.Errorf("a look at grey pictures gives %+v, %v", look, err)
	}
}

// TestOnce publishes a small model once, and again when it was deleted.
func TestOnce(t *testing.T) {
	store, err := modelstore.Open(modelstore.Root{Name: "user", Dir: t.TempDir(), Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	deps := Deps{Store: store, Runs: t.TempDir()}
	data := Data{Name: "glyphs", Size: 8, Train: 20, Select: 5}
	p, err := data.Open(context.Background(), nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	made := 0
	build := func(dir string) (modelstore.Entry, error) {
		made++
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		m := modelstore.Manifest{Family: "test", Architecture: "none", Name: "small", Recipe: "name: small\n", Seed: 7,
			Config: []byte("{}"), Numerics: tensor.NumericsVersion}
		p.Describe(&m, "")
		card := Card{About: []string{"A model of nothing."}, Pictures: p, Figures: []Figure{{"loss", "3"}},
			Training: Training(&train.Result{Steps: 5}, train.Config{Steps: 5, Batch: 4}, "pictures")}
		ws := []weights.Param{{Name: "w", Tensor: tensor.New(tensor.Float32, 2)}}
		return Publish(context.Background(), store, m, ws, card.Text)
	}
	for range 2 {
		e, err := deps.Once("small", []byte("name: small\n"), build)
		if err != nil || e.Ref() != "small@1" || made != 1 {
			t.Fatalf("%s was made %d times, %v", e.Ref(), made, err)
		}
	}
	e, err := store.Resolve("small")
	if err != nil {
		t.Fatal(err)
	}
	card, err := store.Card(e)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# small@1", "A model of nothing.", "20 pictures for training, 5 for selection", "| loss | 3 |",
		"5 steps of 4 pictures", e.Manifest.Digest, p.Licence} {
		if !strings.Contains(card, want) {
			t.Errorf("the card lacks %q:\n%s", want, card)
		}
	}
	if err := store.Delete(e); err != nil {
		t.Fatal(err)
	}
	if _, err := deps.Once("small", []byte("name: small\n"), build); err != nil || made != 2 {
		t.Errorf("after its deletion it was made %d times, %v", made, err)
	}
}
