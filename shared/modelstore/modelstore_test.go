package modelstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/manifold-gen/manifold/shared/fault"
)

// example is a manifest that Publish accepts.
func example(name, version string) Manifest {
	return Manifest{
		Family: "diffusion", Architecture: "unet", Config: json.RawMessage(`{"b": 2, "a": 1.50}`),
		Labels: []string{"zero", "one"}, Name: name, Version: version, Licence: "Apache-2.0",
		Data: Data{Name: "glyphs", Licence: "BSD-3-Clause"}, Seed: 1 << 60, Numerics: 1,
		Outputs: []Port{{Name: "picture", Shape: []int{-1, 8, 8, 1}}},
	}
}

func contents(text string) Contents {
	return Contents{
		Weights: func(path string) error { return os.WriteFile(path, []byte(text), 0o644) },
		Card:    func(m *Manifest) string { return "# " + m.Ref() + "\n" },
	}
}

func newStore(t *testing.T) (*Store, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := Open(Root{Name: "user", Dir: dir, Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	return s, dir
}

func publish(t *testing.T, s *Store, m Manifest, c Contents) Entry {
	t.Helper()
	e, err := s.Publish(context.Background(), m, c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

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

func TestPublishResolveVerify(t *testing.T) {
	s, dir := newStore(t)
	e := publish(t, s, example("digits", ""), contents("weights"))
	if e.Ref() != "digits@1" || len(e.Manifest.Digest) != 64 {
		t.Fatalf("published %s with digest %q", e.Ref(), e.Manifest.Digest)
	}
	if second := publish(t, s, example("digits", ""), contents("other")); second.Ref() != "digits@2" {
		t.Fatalf("the second version is %s", second.Ref())
	}
	publish(t, s, example("digits", "10"), contents("tenth"))
	got, err := s.Resolve("digits")
	if err != nil || got.Version != "10" {
		t.Fatalf("the highest version is %q, %v; want 10", got.Version, err)
	}
	first, err := s.Resolve("digits@1")
	if err != nil || first.Manifest.Digest != e.Manifest.Digest || first.Manifest.Seed != 1<<60 {
		t.Fatalf("digits@1 is %+v, %v", first.Manifest, err)
	}
	if err := s.Verify(first); err != nil {
		t.Fatal(err)
	}
	if card, err := s.Card(first); err != nil || card != "# digits@1\n" {
		t.Fatalf("the card is %q, %v", card, err)
	}
	model, err := s.Dir(first)
	if err != nil || model != filepath.Join(dir, "digits", "1") {
		t.Fatalf("the directory is %q, %v", model, err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, ".*"))
	if len(left) != 0 {
		t.Errorf("temporary directories are left: %q", left)
	}
	_, err = s.Publish(context.Background(), example("digits", "1"), contents("again"))
	wantFault(t, err, fault.AlreadyExists, "digits@1")
}

func TestResolveErrors(t *testing.T) {
	s, _ := newStore(t)
	_, err := s.Resolve("anything")
	wantFault(t, err, fault.NotFound, "there are no models")
	publish(t, s, example("digits", "1"), contents("w"))
	publish(t, s, example("emoji", "1"), contents("w"))
	_, err = s.Resolve("digit")
	wantFault(t, err, fault.NotFound, `no model "digit"`, "digits, emoji")
	_, err = s.Resolve("digits@7")
	wantFault(t, err, fault.NotFound, `no version "7"`, "known versions: 1")
	for _, ref := range []string{
		"", "@1", "digits@", "../digits", "digits/1", `digits\1`, "..", ".", "a..b", "-x", "digits@../1", "digits@1@2",
		"a\x00b", strings.Repeat("a", 65), "/etc", "digits@1/..", "ä",
	} {
		_, err := s.Resolve(ref)
		wantFault(t, err, fault.Invalid)
	}
}

func TestVersionOrder(t *testing.T) {
	// 2 and 02 are one number: what follows decides, then the text.
	want := []string{"0.9", "1", "1.0", "1.9", "1.10", "02", "2", "2-rc1", "10", "a", "a2", "a10"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, CompareVersions)
	if !slices.Equal(got, want) {
		t.Errorf("order %q, want %q", got, want)
	}
}

func TestDigestCoversTheFunctionalPart(t *testing.T) {
	s, _ := newStore(t)
	base := publish(t, s, example("m", ""), contents("w")).Manifest.Digest
	same := map[string]func(*Manifest){
		"name":    func(m *Manifest) { m.Name = "n" },
		"metrics": func(m *Manifest) { m.Metrics = map[string]float64{"fid": 3} },
		"licence": func(m *Manifest) { m.Licence = "MIT" },
		"seed":    func(m *Manifest) { m.Seed = 9 },
		"spaces":  func(m *Manifest) { m.Config = json.RawMessage("{\n\"a\":1.50,\"b\":2}") },
		"empty":   func(m *Manifest) { m.Inputs = []Port{} },
	}
	for name, change := range same {
		m := example("m", "")
		change(&m)
		if got := publish(t, s, m, contents("w")).Manifest.Digest; got != base {
			t.Errorf("%s changed the digest", name)
		}
	}
	other := map[string]func(*Manifest){
		"family":  func(m *Manifest) { m.Family = "vae" },
		"arch":    func(m *Manifest) { m.Architecture = "mlp" },
		"config":  func(m *Manifest) { m.Config = json.RawMessage(`{"a":1.51,"b":2}`) },
		"labels":  func(m *Manifest) { m.Labels = []string{"one", "zero"} },
		"outputs": func(m *Manifest) { m.Outputs[0].Shape = []int{1} },
	}
	for name, change := range other {
		m := example("m", "")
		change(&m)
		if got := publish(t, s, m, contents("w")).Manifest.Digest; got == base {
			t.Errorf("%s did not change the digest", name)
		}
	}
	if publish(t, s, example("m", ""), contents("v")).Manifest.Digest == base {
		t.Error("weights did not change the digest")
	}
}

func TestVerifyNamesTheFile(t *testing.T) {
	s, dir := newStore(t)
	c := contents("weights")
	c.Files = map[string]func(string) error{"tokenizer.json": contents("tokens").Weights}
	e := publish(t, s, example("m", "1"), c)
	file := filepath.Join(dir, "m", "1", "tokenizer.json")
	if err := os.WriteFile(file, []byte("tokenz"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Dir(e); err != nil {
		t.Errorf("sizes are right, but Dir says %v", err)
	}
	wantFault(t, s.Verify(e), fault.Corrupt, "tokenizer.json", "m@1")
	if err := os.Truncate(file, 3); err != nil {
		t.Fatal(err)
	}
	_, err := s.Dir(e)
	wantFault(t, err, fault.Corrupt, "tokenizer.json", "3 bytes, want 6")
	wantFault(t, s.Verify(e), fault.Corrupt, "tokenizer.json")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	_, err = s.Dir(e)
	wantFault(t, err, fault.Corrupt, "tokenizer.json")
	if strings.Contains(err.Error(), dir) {
		t.Errorf("the error shows the directory: %v", err)
	}
}

func TestHostileManifests(t *testing.T) {
	s, dir := newStore(t)
	publish(t, s, example("good", "1"), contents("w"))
	valid, err := os.ReadFile(filepath.Join(dir, "good", "1", ManifestFile))
	if err != nil {
		t.Fatal(err)
	}
	edit := func(from, to string) []byte { return bytes.Replace(valid, []byte(from), []byte(to), 1) }
	rows := map[string][]byte{
		"empty":      nil,
		"truncated":  valid[:len(valid)/2],
		"huge":       append(slices.Clone(valid), bytes.Repeat([]byte(" "), MaxManifestBytes)...),
		"trailing":   append(slices.Clone(valid), "{}"...),
		"deep":       []byte(`{"config":` + strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000) + "}"),
		"unknown":    edit(`"format"`, `"formats"`),
		"digest":     edit(`"unet"`, `"vnet"`),
		"traversal":  edit(WeightsFile, "../../secret"),
		"name":       edit(`"good"`, `"evil"`),
		"negative":   edit(`"bytes": 1`, `"bytes": -1`),
		"enormous":   edit(`"bytes": 1`, `"bytes": 99999999999999999`),
		"overflow":   edit(`"bytes": 1`, `"bytes": 1e400`),
		"notutf8":    {0xff, 0xfe},
		"wrongtypes": []byte(`{"format":"1"}`),
	}
	for name, text := range rows {
		t.Run(name, func(t *testing.T) {
			place := filepath.Join(dir, "bad-"+name, "1")
			if err := os.MkdirAll(place, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(place, ManifestFile), text, 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := s.Resolve("bad-" + name)
			wantFault(t, err, fault.Corrupt, "bad-"+name)
		})
	}
	// None of them hides the good one.
	if _, err := s.Resolve("good"); err != nil {
		t.Error(err)
	}
	broken := 0
	for _, e := range s.List() {
		if e.Err != nil {
			broken++
		}
	}
	if broken != len(rows) {
		t.Errorf("%d broken entries are listed, want %d", broken, len(rows))
	}
}

func TestRootsHideAndList(t *testing.T) {
	user, _ := newStore(t)
	later, _ := newStore(t)
	publish(t, user, example("a", "1"), contents("mine"))
	publish(t, later, example("a", "1"), contents("theirs"))
	publish(t, later, example("a", "2"), contents("theirs"))
	both, err := Open(user.roots[0], Root{Name: "system", Dir: later.roots[0].Dir})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range both.List() {
		got = append(got, e.Ref()+" "+e.Root)
	}
	if want := []string{"a@1 user", "a@2 system"}; !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	e, err := both.Resolve("a@2")
	if err != nil {
		t.Fatal(err)
	}
	wantFault(t, both.Delete(e), fault.Precondition)
	_, err = both.Annotate(e, nil, nil)
	wantFault(t, err, fault.Precondition)
	if next := publish(t, both, example("a", ""), contents("x")); next.Version != "3" {
		t.Errorf("the next version is %s, want 3: versions of all roots count", next.Version)
	}
}

func TestEmbeddedRootIsCopiedOnce(t *testing.T) {
	source, dir := newStore(t)
	publish(t, source, example("star", "1"), contents("twinkle"))
	cache := t.TempDir()
	s, err := Open(Root{Name: "starters", FS: os.DirFS(dir), Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	e, err := s.Resolve("star")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(e); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			place, err := s.Dir(e)
			if err != nil {
				t.Error(err)
				return
			}
			if text, err := os.ReadFile(filepath.Join(place, WeightsFile)); err != nil || string(text) != "twinkle" {
				t.Errorf("the copy holds %q, %v", text, err)
			}
		})
	}
	wg.Wait()
	if list, _ := os.ReadDir(cache); len(list) != 1 || list[0].Name() != e.Manifest.Digest {
		t.Errorf("the cache holds %v, want one directory named by the digest", list)
	}
	// A copy that was damaged is made again.
	if err := os.Truncate(filepath.Join(cache, e.Manifest.Digest, WeightsFile), 1); err != nil {
		t.Fatal(err)
	}
	place, err := s.Dir(e)
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(filepath.Join(place, WeightsFile)); string(text) != "twinkle" {
		t.Errorf("the copy made again holds %q", text)
	}
}

func TestAnnotate(t *testing.T) {
	s, _ := newStore(t)
	e := publish(t, s, example("m", "1"), contents("w"))
	e, err := s.Annotate(e, func(m *Manifest) { m.Metrics = map[string]float64{"fid": 2.5} },
		func(m *Manifest) string { return fmt.Sprint("FID ", m.Metrics["fid"]) })
	if err != nil || e.Manifest.Metrics["fid"] != 2.5 {
		t.Fatalf("annotated %+v, %v", e.Manifest, err)
	}
	again, err := s.Resolve("m")
	if err != nil || again.Manifest.Metrics["fid"] != 2.5 {
		t.Fatalf("read again %+v, %v", again.Manifest, err)
	}
	if card, _ := s.Card(again); card != "FID 2.5" {
		t.Errorf("the card is %q", card)
	}
	_, err = s.Annotate(again, func(m *Manifest) { m.Labels = nil }, nil)
	wantFault(t, err, fault.Invalid, "new version")
	if e.Manifest.Labels == nil {
		t.Error("a refused change reached the shared manifest")
	}
}

func TestPublishFailuresLeaveNothing(t *testing.T) {
	s, dir := newStore(t)
	broken := errors.New("no space left")
	bad := map[string]func(*Manifest, *Contents){
		"weights": func(_ *Manifest, c *Contents) { c.Weights = func(string) error { return broken } },
		"none":    func(_ *Manifest, c *Contents) { c.Weights = nil },
		"name":    func(m *Manifest, _ *Contents) { m.Name = "../x" },
		"version": func(m *Manifest, _ *Contents) { m.Version = "a/b" },
		"config":  func(m *Manifest, _ *Contents) { m.Config = json.RawMessage("{") },
		"file": func(_ *Manifest, c *Contents) {
			c.Files = map[string]func(string) error{"../evil": c.Weights}
		},
	}
	for name, change := range bad {
		m, c := example("m", "1"), contents("w")
		change(&m, &c)
		if _, err := s.Publish(context.Background(), m, c); err == nil {
			t.Errorf("%s: published", name)
		}
	}
	if list, _ := os.ReadDir(dir); len(list) != 0 {
		t.Errorf("failed publications left %v", list)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := s.Publish(ctx, example("m", "1"), contents("w"))
	wantFault(t, err, fault.Cancelled)
}

func TestConcurrentPublishersGetTheirOwnVersions(t *testing.T) {
	s, _ := newStore(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := s.Publish(context.Background(), example("m", ""), contents("w")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := s.versions("m"); !slices.Equal(got, []string{"1", "2", "3", "4", "5", "6", "7", "8"}) {
		t.Errorf("versions %q", got)
	}
}

func TestLeftoversAreSwept(t *testing.T) {
	s, dir := newStore(t)
	for _, name := range []string{".publish-1", ".delete-1", ".publish-2", ".other"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if old := time.Now().Add(-48 * time.Hour); name != ".publish-2" {
			if err := os.Chtimes(filepath.Join(dir, name), old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish(t, s, example("m", "1"), contents("w"))
	left, _ := filepath.Glob(filepath.Join(dir, ".*"))
	for i, l := range left {
		left[i] = filepath.Base(l)
	}
	if !slices.Equal(left, []string{".other", ".publish-2"}) {
		t.Errorf("left are %q; want what is not ours and what may be in use", left)
	}
}

func TestDelete(t *testing.T) {
	s, dir := newStore(t)
	e := publish(t, s, example("m", "1"), contents("w"))
	if err := s.Delete(e); err != nil {
		t.Fatal(err)
	}
	_, err := s.Resolve("m")
	wantFault(t, err, fault.NotFound)
	if list, _ := os.ReadDir(dir); len(list) != 0 {
		t.Errorf("deleting left %v", list)
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add([]byte(`{"format":1}`))
	f.Add([]byte(`{"format":1,"family":"a","architecture":"b","config":{"x":[1e999]},"files":[{"name":"model.safetensors"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := ParseManifest(bytes.NewReader(text))
		if err != nil {
			if fault.KindOf(err) != fault.Corrupt {
				t.Errorf("%v is of kind %v", err, fault.KindOf(err))
			}
			return
		}
		if _, err := encodeManifest(m); err != nil {
			t.Errorf("a manifest that was read cannot be written: %v", err)
		}
	})
}

// A folder that holds other things than versions is no model, and its name is not told to callers.
func TestOtherFoldersAreNoModels(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "private", "letters"), 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := Open(Root{Name: "test", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Resolve("x")
	if len(s.Names()) != 0 || err == nil || strings.Contains(err.Error(), "private") {
		t.Errorf("names %q, error %v", s.Names(), err)
	}
}
