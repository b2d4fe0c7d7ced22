package ngram

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/manifold-gen/manifold/shared/tensor/weights"

	"github.com/manifold-gen/manifold/services/lm/internal/text"
)

// TestBesideKenLM measures training and scoring beside KenLM's lmplz, build_binary and query in turns. KENLM_BIN names
// the folder of these programs (tools/reference/peers/kenlm.sh); MANIFOLD_DATA that of the corpora. One processor:
//
//	KENLM_BIN=... GOMAXPROCS=1 taskset -c 0 ngram.test -test.v -test.run TestBesideKenLM
func TestBesideKenLM(t *testing.T) {
	bin := os.Getenv("KENLM_BIN")
	if bin == "" {
		t.Skip("KENLM_BIN names no folder with KenLM's programs")
	}
	dir := t.TempDir()
	corpus := filepath.Join(dir, "text")
	var all []byte
	for _, f := range []string{"war-and-peace", "bronte", "darwin"} {
		all = append(all, data(t, "corpus/"+f+".txt")...)
	}
	// lmplz knows no <s>, </s> and <unk> in a text, and every tenth line is kept for scoring.
	all = regexp.MustCompile(`</?(s|unk)>`).ReplaceAll(bytes.ReplaceAll(all, []byte{0}, nil), nil)
	var train, test bytes.Buffer
	i := 0
	for l := range bytes.Lines(bytes.ToValidUTF8(all, nil)) {
		if len(bytes.TrimSpace(l)) == 0 {
			continue
		}
		if i++; i%10 == 0 {
			test.Write(l)
		} else {
			train.Write(l)
		}
	}
	write := func(name string, b []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	write("text", train.Bytes())
	// Ten times over, so that reading the model, which KenLM does not check, is not most of it.
	testFile := write("test", bytes.Repeat(test.Bytes(), 10))
	run := func(name string, in string, args ...string) time.Duration {
		cmd := exec.CommandContext(t.Context(), filepath.Join(bin, name), args...)
		if in != "" {
			f, err := os.Open(in)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			cmd.Stdin = f
		}
		from := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return time.Since(from)
	}
	c := Config{Order: 5, Unit: "given", Smoothing: ModifiedKneserNey}
	arpa, binary := filepath.Join(dir, "kenlm.arpa"), filepath.Join(dir, "kenlm.bin")
	empty := write("empty", nil)
	var figures [8][]time.Duration
	add := func(i int, d time.Duration) { figures[i] = append(figures[i], d) }
	for range rounds() {
		add(0, run("lmplz", "", "-o", "5", "-S", "2G", "-T", dir, "--text", corpus, "--arpa", arpa))
		add(1, run("build_binary", "", "probing", arpa, binary))
		runtime.GC()
		from := time.Now()
		m := trainFile(t, corpus, c)
		f, err := os.Create(filepath.Join(dir, "ours.arpa"))
		if err != nil {
			t.Fatal(err)
		}
		if err := m.WriteARPA(f); err != nil {
			t.Fatal(err)
		}
		f.Close()
		add(2, time.Since(from))
		runtime.GC()
		from = time.Now()
		model := filepath.Join(dir, "ours.safetensors")
		if err := trainFile(t, corpus, c).Save(model); err != nil {
			t.Fatal(err)
		}
		add(3, time.Since(from))
		add(4, run("query", testFile, "-v", "summary", binary))
		from = time.Now()
		nats, n := queryFile(t, model, c, testFile)
		add(5, time.Since(from))
		add(6, run("query", empty, "-v", "summary", binary))
		from = time.Now()
		if f, err := weights.Open(model); err != nil {
			t.Fatal(err)
		} else if _, err := Open(f, c); err != nil {
			t.Fatal(err)
		}
		add(7, time.Since(from))
		t.Logf("%d tokens, %.5f log10 a token, %v n-grams", n, nats/ln10/float64(n), m.Sizes())
		out, err := exec.CommandContext(t.Context(), "sh", "-c", filepath.Join(bin, "query")+" -v summary "+binary+" < "+
			testFile+" 2>/dev/null").CombinedOutput()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("query: %s", bytes.ReplaceAll(out, []byte("\n"), []byte("; ")))
	}
	var median [8]float64
	for i, f := range figures {
		slices.Sort(f)
		median[i] = f[len(f)/2].Seconds()
	}
	t.Logf("to ARPA: lmplz %.2f s, ours %.2f s, %.2fx", median[0], median[2], median[0]/median[2])
	t.Logf("to binary: lmplz and build_binary %.2f s, ours %.2f s, %.2fx", median[0]+median[1], median[3],
		(median[0]+median[1])/median[3])
	t.Logf("query: KenLM %.3f s, ours %.3f s, %.2fx", median[4], median[5], median[4]/median[5])
	t.Logf("without opening the model (KenLM %.3f s, ours %.3f s): %.2fx", median[6], median[7],
		(median[4]-median[6])/(median[5]-median[7]))
}

func rounds() int {
	n, err := strconv.Atoi(os.Getenv("ROUNDS"))
	if err != nil {
		return 1
	}
	return n
}

func trainFile(t testing.TB, path string, c Config) *Model {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	docs, err := text.Documents(b, text.Lines, text.Given)
	if err != nil {
		t.Fatal(err)
	}
	return train(t, docs, c)
}

// queryFile opens a model and scores the lines of a file, as query does.
func queryFile(t testing.TB, model string, c Config, path string) (nats float64, tokens int) {
	t.Helper()
	f, err := weights.Open(model)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := Open(f, c)
	if err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	s := bufio.NewScanner(bufio.NewReaderSize(in, 1<<16))
	s.Buffer(make([]byte, 1<<16), text.MaxLine)
	var tok []int32
	var out []float64
	for s.Scan() {
		if tok, err = m.tokens.AppendEncoded(tok[:0], s.Bytes()); err != nil {
			t.Fatal(err)
		}
		tok = append(tok, text.Finish)
		out = append(out[:0], make([]float64, len(tok))...)
		if err := m.Score(m.Open(), tok, out, nil); err != nil {
			t.Fatal(err)
		}
		for _, x := range out {
			nats += x
		}
		tokens += len(tok)
	}
	return nats, tokens
}
