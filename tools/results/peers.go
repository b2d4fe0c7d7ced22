package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// peersKind is the kind of the comparisons of make bench-peers.
const peersKind = "peers"

// comparison is such a report, as far as the tables show it.
type comparison struct {
	Command, Machine, Kernel, Python, Date string
	Limits                                 map[string]struct { // by the number of threads
		Peak  float64 `json:"peak_f32_gf_per_s"`
		DRAM  float64 `json:"read_dram_gb_per_s"`
		Cache float64 `json:"read_cache_gb_per_s"`
	}
	Results []duel
}

// duel is a workload by Manifold and by its peers.
type duel struct {
	Name, Workload, Unit, Version, Go, Date string
	Asked                                   float64
	Threads, Turns, Numerics                int
	Load                                    []float64
	Floor                                   struct {
		Value float64
		By    string
	}
	Manifold  figure
	Share     float64 `json:"share_of_floor"`
	Peers     []rival
	Published *struct {
		Value, Scaled float64
		Limit         string
	}
}

type figure struct {
	Median float64
	Range  []float64
}

func (f figure) String() string {
	return fmt.Sprintf("%s (%s to %s)", number(f.Median), number(f.Range[0]), number(f.Range[1]))
}

// rival is a peer; one that the search found too slow has no median.
type rival struct {
	Name, Version, Way string
	figure
	Ratio      float64
	RatioRange []float64 `json:"ratio_range"`
	Search     map[string]float64
	Failed     map[string]string
	Notes      map[string]string
}

// best is the fastest peer, or nil.
func (d *duel) best() *rival {
	if len(d.Peers) == 0 || d.Peers[0].Median == 0 {
		return nil
	}
	return &d.Peers[0]
}

// under is the share of its published figure that the best peer reaches here.
func (d *duel) under() float64 {
	if b := d.best(); b != nil && d.Published != nil {
		return b.Median / d.Published.Value
	}
	return 1
}

// peers shows a comparison.
func peers(name string, text []byte) (page, error) {
	var c comparison
	if err := json.Unmarshal(text, &c); err != nil {
		return page{}, err
	}
	if len(c.Results) == 0 {
		return page{}, fmt.Errorf("a comparison without rows")
	}
	for _, d := range c.Results {
		if len(d.Manifold.Range) != 2 || len(d.Load) != 2 {
			return page{}, fmt.Errorf("row %q lacks a range", d.Name)
		}
		for _, r := range d.Peers {
			if r.Median != 0 && (len(r.Range) != 2 || len(r.RatioRange) != 2) {
				return page{}, fmt.Errorf("row %q lacks a range of %s", d.Name, r.Name)
			}
		}
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Manifold beside its peers\n")
	line("Made from [%s.json](%s.json) by `go run ./tools/results`; not edited by hand.\n", name, name)
	c.facts(line)
	short := c.table(line)
	c.published(line)
	c.rest(line)
	return page{strings.TrimRight(b.String(), "\n") + "\n", short}, nil
}

// facts say where and with what the figures were taken.
func (c *comparison) facts(line printer) {
	line("| | |\n|---|---|")
	line("| command | `%s` |", c.Command)
	line("| machine | %s, Linux %s |", c.Machine, c.Kernel)
	for _, n := range slices.Sorted(maps.Keys(c.Limits)) {
		l := c.Limits[n]
		line("| limits of threads: %s | float32 %s GF/s, read of memory %s GB/s, of the shared cache %s GB/s |", n,
			number(l.Peak), number(l.DRAM), number(l.Cache))
	}
	var ours, theirs []string
	for _, d := range c.Results {
		ours = append(ours, fmt.Sprintf("%s (numerics %d, %s)", d.Version, d.Numerics, d.Go))
		for _, r := range d.Peers {
			if r.Version != "" {
				theirs = append(theirs, r.Name+" "+r.Version)
			}
		}
	}
	line("| Manifold | %s |", strings.Join(unique(ours), ", "))
	line("| peers | %s |", strings.Join(unique(theirs), ", "))
	line("| date | %s |", c.Date)
	line("\nEvery figure is the median over turns in which Manifold and its peers alternate, each a process in a " +
		"scheduling group of its own, in brackets the range. A ratio above 1 means that Manifold is faster; its range " +
		"is that of the turns. A peer runs in the fastest way that was found for it. The floor is the larger of the " +
		"arithmetic at the machine's peak (bf16 twice and int8 four times that of float32) and of reading the weights " +
		"once; convolutions count their direct arithmetic, which Winograd's undercuts.\n")
}

// table is the comparison itself; it returns the short form for README.md.
func (c *comparison) table(line printer) string {
	var short strings.Builder
	short.WriteString("| workload | Manifold | best peer | ratio |\n|---|--:|--:|--:|\n")
	line("| workload | unit | floor | Manifold | best peer | its figure | ratio | asked | share of the floor | turns | " +
		"load |")
	line("|---|---|--:|--:|---|--:|--:|--:|--:|--:|--:|")
	for _, d := range c.Results {
		b := d.best()
		if b == nil {
			line("| %s | %s | %s | %s | none | | | %g | %.0f %% | %d | %.1f |", d.Name, d.Unit, number(d.Floor.Value),
				d.Manifold, d.Asked, 100*d.Share, d.Turns, d.Load[0])
			continue
		}
		line("| %s | %s | %s | %s | %s, %s | %s | %.2f (%.2f to %.2f) | %g | %.0f %% | %d | %.1f |", d.Name, d.Unit,
			number(d.Floor.Value), d.Manifold, b.Name, b.Way, b.figure, b.Ratio, b.RatioRange[0], b.RatioRange[1], d.Asked,
			100*d.Share, d.Turns, d.Load[0])
		fmt.Fprintf(&short, "| %s | %s %s | %s %s | %.2f |\n", d.Name, number(d.Manifold.Median), d.Unit, b.Name,
			number(b.Median), b.Ratio)
	}
	line("")
	return short.String()
}

// published explains peers that are slower here than where they were measured before.
func (c *comparison) published(line printer) {
	var rows []duel
	for _, d := range c.Results {
		if d.under() < 0.9 {
			rows = append(rows, d)
		}
	}
	if len(rows) == 0 {
		return
	}
	line("## Peers under their published figures\n")
	line("The published figures are of two cores of a Zen 5, whose limits differ. The third column scales them by the " +
		"limit that bounds the workload; a peer well under that is slow here for another reason, and its ratio is to be " +
		"read with care.\n")
	line("| workload | published | scaled to this machine | by | here | of the scaled |\n|---|--:|--:|---|--:|--:|")
	limits := map[string]string{"peak": "float32 peak", "read": "memory", "cache": "shared cache"}
	for _, d := range rows {
		p, here := d.Published, d.best().Median
		line("| %s | %s | %s | %s | %s | %.0f %% |", d.Name, number(p.Value), number(p.Scaled), limits[p.Limit],
			number(here), 100*here/p.Scaled)
	}
	line("")
}

// rest is every other peer and way, and what could not be measured.
func (c *comparison) rest(line printer) {
	line("## Every peer\n")
	line("Peers in turns with their range; otherwise, and for other ways than the best, the figure of the one search.\n")
	line("| workload | peer | in turns | ratio | ways in the search | remarks |\n|---|---|--:|--:|---|---|")
	for _, d := range c.Results {
		for _, r := range d.Peers {
			turns, ratio := "", ""
			if r.Median != 0 {
				turns, ratio = r.figure.String(), fmt.Sprintf("%.2f", r.Ratio)
			}
			line("| %s | %s | %s | %s | %s | %s |", d.Name, r.Name, turns, ratio, r.ways(), r.remarks())
		}
	}
}

// ways are the figures of the search, fastest first.
func (r *rival) ways() string {
	var l []string
	for _, w := range slices.SortedFunc(maps.Keys(r.Search), func(a, b string) int {
		if r.Search[a] != r.Search[b] {
			return map[bool]int{true: -1, false: 1}[r.Search[a] > r.Search[b]]
		}
		return strings.Compare(a, b)
	}) {
		l = append(l, w+" "+number(r.Search[w]))
	}
	return strings.Join(l, ", ")
}

// remarks are the notes of the best way and the ways that failed.
func (r *rival) remarks() string {
	var l []string
	if n := r.Notes[r.Way]; n != "" {
		l = append(l, n)
	}
	for _, w := range slices.Sorted(maps.Keys(r.Failed)) {
		text, _, _ := strings.Cut(r.Failed[w], "\n")
		if len(text) > 80 {
			text = strings.ToValidUTF8(text[:80], "") + "..."
		}
		l = append(l, fmt.Sprintf("%s failed: %s", w, strings.ReplaceAll(text, "|", `\|`)))
	}
	return strings.Join(l, "; ")
}

// unique keeps the first of equal strings.
func unique(l []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(l), func(s string) bool {
		old := seen[s]
		seen[s] = true
		return old
	})
}
