package dataset

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image/color"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/manifold-gen/manifold/shared/fault"
)

// host serves one body, and breaks its answers as it is told.
type host struct {
	mu     sync.Mutex
	body   []byte
	cut    []int // the next answers end after so many bytes
	fail   []int // the next answers are these codes
	ranges []string
	bad    bool // answers a range with another one
	whole  bool // ignores ranges
}

func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ranges = append(h.ranges, r.Header.Get("Range"))
	if len(h.fail) > 0 {
		code := h.fail[0]
		h.fail = h.fail[1:]
		w.WriteHeader(code)
		return
	}
	from := 0
	if s, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok && !h.whole {
		from, _ = strconv.Atoi(strings.TrimSuffix(s, "-"))
		if from >= len(h.body) {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		at := from
		if h.bad {
			at--
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", at, len(h.body)-1, len(h.body)))
		w.Header().Set("Content-Length", strconv.Itoa(len(h.body)-from))
		w.WriteHeader(http.StatusPartialContent)
	} else {
		w.Header().Set("Content-Length", strconv.Itoa(len(h.body)))
	}
	out := h.body[from:]
	if len(h.cut) > 0 {
		out = out[:min(len(out), h.cut[0])]
		h.cut = h.cut[1:]
	}
	_, _ = w.Write(out) // the client may be gone
}

// serve starts h and returns an entry whose one source lies there.
func serve(t *testing.T, h *host) (Entry, *Locator) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	h.body = bytes.Repeat([]byte("0123456789abcdef"), 40_000)
	sum := sha256.Sum256(h.body)
	e := Entry{Name: "test", Sources: []Source{{Path: "a/b.bin", URL: srv.URL, SHA256: hex.EncodeToString(sum[:])}}}
	return e, &Locator{Cache: t.TempDir(), Client: srv.Client(), pause: time.Millisecond}
}

func TestDownload(t *testing.T) {
	n := 640_000
	rows := map[string]struct {
		h      *host
		part   []byte   // what an earlier process has left
		ranges []string // what is asked for
	}{
		"at once":             {&host{}, nil, []string{""}},
		"resumed":             {&host{cut: []int{1000, 5000}}, nil, []string{"", "bytes=1000-", "bytes=6000-"}},
		"server errors":       {&host{fail: []int{503, 429}}, nil, []string{"", "", ""}},
		"an earlier process":  {&host{}, []byte("0123"), []string{"bytes=4-"}},
		"no ranges":           {&host{whole: true}, []byte("0123"), []string{"bytes=4-"}},
		"all was there":       {&host{}, bytes.Repeat([]byte("0123456789abcdef"), 40_000), []string{"bytes=640000-"}},
		"another file's part": {&host{}, []byte("xxxx"), []string{"bytes=4-", ""}},
		"too long a part":     {&host{}, make([]byte, n+5), []string{fmt.Sprintf("bytes=%d-", n+5), ""}},
	}
	for name, r := range rows {
		t.Run(name, func(t *testing.T) {
			e, l := serve(t, r.h)
			if r.part != nil {
				writeFile(t, l.Cache, "a/b.bin.part", r.part)
			}
			var last, total int64
			l.Progress = func(path string, done, of int64) {
				if path != "a/b.bin" || done < 0 {
					t.Error(path, done)
				}
				last, total = done, of
			}
			path, err := l.Find(t.Context(), e, e.Sources[0])
			if err != nil {
				t.Fatal(err)
			}
			if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, r.h.body) {
				t.Fatal("other bytes", err)
			}
			if fmt.Sprint(r.h.ranges) != fmt.Sprint(r.ranges) {
				t.Errorf("asked for %q, want %q", r.h.ranges, r.ranges)
			}
			if name != "all was there" && (last != int64(n) || total != int64(n)) {
				t.Errorf("progress ended at %d of %d", last, total)
			}
			if _, err := os.Stat(path + ".part"); !errors.Is(err, os.ErrNotExist) {
				t.Error("the part is left")
			}
			asked := len(r.h.ranges)
			l.Offline = true
			if _, err := l.Find(t.Context(), e, e.Sources[0]); err != nil || len(r.h.ranges) != asked {
				t.Error("the cache was not used", err)
			}
		})
	}
}

func TestDownloadFails(t *testing.T) {
	rows := map[string]struct {
		h    *host
		kind fault.Kind
		want string
	}{
		"not found":   {&host{fail: []int{404}}, fault.NotFound, "404"},
		"always down": {&host{fail: []int{500, 500, 500, 500, 500}}, fault.Unavailable, "5 attempts failed"},
		"wrong range": {&host{bad: true, cut: []int{10}}, fault.Unavailable, "asked for bytes from 10"},
	}
	for name, r := range rows {
		e, l := serve(t, r.h)
		_, err := l.Find(t.Context(), e, e.Sources[0])
		wantFault(t, name, err, r.kind, r.want)
	}
	h := &host{}
	e, l := serve(t, h)
	e.Sources[0].SHA256 = strings.Repeat("0", 64)
	_, err := l.Find(t.Context(), e, e.Sources[0])
	wantFault(t, "checksum", err, fault.Corrupt, "SHA-256")
	if entries, _ := os.ReadDir(filepath.Join(l.Cache, "a")); len(entries) != 1 || len(h.ranges) != 1 {
		t.Error("a bad file was kept or asked for twice", entries, h.ranges)
	}
	l.Offline = true
	_, err = l.Find(t.Context(), e, e.Sources[0])
	wantFault(t, "offline", err, fault.Unavailable, "switched off")
	_, err = (&Locator{}).Find(t.Context(), e, e.Sources[0])
	wantFault(t, "no cache", err, fault.NotFound, "no cache")
}

func TestDownloadStopsWithItsContext(t *testing.T) {
	e, l := serve(t, &host{fail: []int{500, 500, 500, 500, 500}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := l.Find(ctx, e, e.Sources[0])
	wantFault(t, "cancelled", err, fault.Cancelled, "")
	// A lock that another holds is waited for, as long as the context lasts.
	unlock, err := lock(t.Context(), filepath.Join(l.Cache, "a", "b.bin.lock"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = l.Find(ctx, e, e.Sources[0])
	wantFault(t, "locked", err, fault.Deadline, "another download")
	unlock()
}

func TestTwoDownloadsOfOneFile(t *testing.T) {
	h := &host{}
	e, l := serve(t, h)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := l.Find(t.Context(), e, e.Sources[0]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(h.ranges) != 1 {
		t.Errorf("fetched %d times", len(h.ranges))
	}
}

func TestLookupOrder(t *testing.T) {
	h := &host{}
	e, l := serve(t, h)
	first, second := t.TempDir(), t.TempDir()
	want := writeFile(t, second, "a/b.bin", h.body)
	writeFile(t, l.Cache, "a/b.bin", []byte("other"))
	l.Dirs = []string{"", first, second}
	if got, err := l.Find(t.Context(), e, e.Sources[0]); err != nil || got != want {
		t.Error(got, err)
	}
	writeFile(t, first, "a/b.bin", []byte("rotten"))
	_, err := l.Find(t.Context(), e, e.Sources[0])
	wantFault(t, "rotten", err, fault.Corrupt, "SHA-256")
	if len(h.ranges) != 0 {
		t.Error("downloaded what was there")
	}
}

// TestSumIgnoresPacking: the same pictures, packed and prefixed otherwise, have the same sum.
func TestSumIgnoresPacking(t *testing.T) {
	a, b := pngOf(flat(2, 2, color.White)), pngOf(flat(2, 2, color.Black))
	one, err := zipSum(zipOf(t, file{"train/x/0000.jpg", a}, file{"train/y/0001.jpg", b}, file{"no.txt", nil}),
		selectCIFAR)
	if err != nil {
		t.Fatal(err)
	}
	two, err := zipSum(zipOf(t, file{"p/train/y/0001.jpg", b}, file{"p/train/x/0000.jpg", a},
		file{"p/train/x/2000.jpg", b}, file{"p/test/x/0000.jpg", b}), selectCIFAR)
	if err != nil || one != two {
		t.Error(one, two, err)
	}
	three, err := zipSum(zipOf(t, file{"train/x/0000.jpg", b}, file{"train/y/0001.jpg", a}), selectCIFAR)
	if err != nil || one == three {
		t.Error("the content does not count", err)
	}
	plain := []byte("text")
	sum1, err1 := sum(writeFile(t, t.TempDir(), "a.gz", packed(plain)), Gzip, nil)
	sum2, err2 := sum(writeFile(t, t.TempDir(), "a", plain), Plain, nil)
	if err1 != nil || err2 != nil || sum1 != sum2 {
		t.Error(sum1, sum2, err1, err2)
	}
}

func TestOpenPath(t *testing.T) {
	dir := t.TempDir()
	white := pngOf(flat(2, 2, color.White))
	writeFile(t, dir, "pics/a.png", white)
	writeFile(t, dir, "t-images-idx3-ubyte", idx(make([]byte, 8), 2, 2, 2))
	writeFile(t, dir, "t-labels-idx1-ubyte", idx([]byte{1, 0}, 2))
	writeFile(t, dir, "x.csv", []byte("l,a,b\n7,1,2\n"))
	writeFile(t, dir, "grey.csv", []byte("a,b,c,d\n7,1,2,3\n"))
	writeFile(t, dir, "colour.csv", []byte("a,b,c\n7,1,2\n"))
	writeFile(t, dir, "two.csv", []byte("a,b\n7,1\n"))
	writeFile(t, dir, "x.txt", nil)
	archive := zipOf(t, file{"a.png", white})
	l := &Locator{}
	open := func(r Request) (Dataset, error) {
		if r.Path != "" && !filepath.IsAbs(r.Path) {
			r.Path = filepath.Join(dir, r.Path)
		}
		return l.Open(t.Context(), r)
	}
	good := map[string]Request{
		"[2 2 3] 1 -1":  {Path: "pics"},
		"[2 2 1] 1 -1 ": {Path: "pics", Format: Format{Channels: 1}, Split: "all"},
		"[4 4 3] 1 -1":  {Path: archive, Format: Format{Height: 4, Width: 4}},
		"[2 2 1] 2 1":   {Path: "t-images-idx3-ubyte"},
		"[3 4 1] 2 1":   {Path: "t-images-idx3-ubyte", Format: Format{Height: 3, Width: 4, Channels: 1}},
		"[1 2 1] 1 0":   {Path: "x.csv", Format: Format{Height: 1, Width: 2}, Table: CSV{Label: "l"}},
		"[2 2 1] 1 -1":  {Path: "grey.csv"},
		"[1 1 3] 1 -1":  {Path: "colour.csv"},
	}
	for want, r := range good {
		d, err := open(r)
		if err != nil {
			t.Errorf("%s: %v", want, err)
			continue
		}
		h, w, c := d.Shape()
		if got := fmt.Sprint([]int{h, w, c}, d.Len(), d.Label(0)); got != strings.TrimSpace(want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
	bad := map[string]struct {
		r    Request
		kind fault.Kind
	}{
		"exactly one":             {Request{}, fault.Invalid},
		`path "/x", exactly`:      {Request{Name: "mnist", Path: "/x"}, fault.Invalid},
		"no such file":            {Request{Path: "no"}, fault.NotFound},
		"neither a folder":        {Request{Path: "x.txt"}, fault.Invalid},
		"has no split":            {Request{Path: "pics", Split: "train"}, fault.NotFound},
		"1 channels, not 3":       {Request{Path: "t-images-idx3-ubyte", Format: Format{Channels: 3}}, fault.Invalid},
		"larger sides":            {Request{Path: "t-images-idx3-ubyte", Format: Format{Height: 1, Width: 1}}, fault.Invalid},
		"2 channels, allowed":     {Request{Path: "pics", Format: Format{Channels: 2}}, fault.Invalid},
		"2 columns are no square": {Request{Path: "two.csv"}, fault.Invalid},
		"4 columns are no square": {Request{Path: "grey.csv", Format: Format{Channels: 3}}, fault.Invalid},
	}
	for want, r := range bad {
		_, err := open(r.r)
		wantFault(t, want, err, r.kind, want)
	}
}
