package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// diffusionKind is the kind of the reports of manifold eval diffusion.
const diffusionKind = "diffusion-evaluation"

// evaluation is such a report, as far as the tables show it.
type evaluation struct {
	Model struct {
		Ref, Digest string
		Parameters  int64
		FLOPs       int64 `json:"flops"`
	}
	Classifier struct {
		Ref, Digest string
		Features    int
		Accuracy    match
	}
	Data struct {
		Name      string
		Report    string `json:"report_sha256"`
		Trained   int    `json:"train_pictures"`
		Reference int    `json:"reference_pictures"`
	}
	Sizes struct {
		Seed      uint64 `json:",string"`
		N         int
		NSteps    int `json:"n_steps"`
		Bootstrap int
		Guidance  float64
	}
	Numerics int
	Runs     []struct {
		Command, Version, Commit, Go, Machine, Kernels, Date string
		Threads                                              int
	}
	Rows []row
}

type row struct {
	ID, Group, Title string
	N, Run           int
	Draw             *struct {
		Sampler     string
		Steps       int
		Evaluations int
		Guidance    float64
		PerSecond   float64 `json:"pictures_per_second"`
	}
	Frechet *struct{ Value, Low, High float64 }
	KID     *struct {
		Mean, Std     float64
		Subsets, Size int
	}
	Precision, Recall *float64
	ClassMatch        *match `json:"class_match"`
	Nearest           *struct {
		Training        int `json:"training_pictures"`
		Generated, Real spread
		Closer          float64 `json:"closer_share"`
	}
}

type match struct {
	Hits, N          int
	Share, Low, High float64
}

type spread struct {
	Mean, Min, Median float64
	First             float64 `json:"percentile_1"`
}

func (m match) String() string {
	return fmt.Sprintf("%.2f %% (%.2f to %.2f)", 100*m.Share, 100*m.Low, 100*m.High)
}

// diffusion shows an evaluation.
func diffusion(name string, text []byte) (page, error) {
	var e evaluation
	if err := json.Unmarshal(text, &e); err != nil {
		return page{}, err
	}
	if len(e.Runs) == 0 || len(e.Rows) == 0 {
		return page{}, fmt.Errorf("a report without rows")
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Quality of %s on %s\n", e.Model.Ref, e.Data.Name)
	line("Made from [%s.json](%s.json) by `go run ./tools/results`; not edited by hand.\n", name, name)
	e.facts(line)
	e.quality(line)
	e.steps(line, "steps", "Samplers and steps", "without class and guidance")
	e.steps(line, "steps-classes", "Samplers and steps, classes in turn", "classes in turn, without guidance")
	e.guidance(line)
	e.memory(line)
	return page{strings.TrimRight(b.String(), "\n") + "\n", e.short()}, nil
}

type printer func(format string, args ...any)

// facts say what was measured, with what, by which commands.
func (e *evaluation) facts(line printer) {
	line("| | |\n|---|---|")
	line("| model | %s, %d parameters, %.1f MFLOP a forward pass, digest `%s` |", e.Model.Ref, e.Model.Parameters,
		float64(e.Model.FLOPs)/1e6, e.Model.Digest)
	line("| classifier | %s, %d features, digest `%s` |", e.Classifier.Ref, e.Classifier.Features, e.Classifier.Digest)
	line("| its accuracy | %s of the %d pictures of the split report |", e.Classifier.Accuracy, e.Classifier.Accuracy.N)
	line("| reference | %d pictures of the split report of %s |", e.Data.Reference, e.Data.Name)
	line("| seed | %d: picture i is picture i mod 64 of the request with the seed %d + i/64 |", e.Sizes.Seed,
		e.Sizes.Seed<<16)
	line("| numerics version | %d |", e.Numerics)
	for i, r := range e.Runs {
		var rows []string
		for _, x := range e.Rows {
			if x.Run == i {
				rows = append(rows, x.ID)
			}
		}
		if len(rows) == 0 {
			continue
		}
		version := r.Version
		if r.Commit != "" {
			version += ", commit " + r.Commit
		}
		line("| made by | `%s`, %s, version %s, %s, %s, %s, %d threads; rows %s |", r.Command, r.Date, version, r.Go,
			r.Machine, r.Kernels, r.Threads, strings.Join(rows, ", "))
	}
	line("\nFrechet distance (FD) and kernel distance (KID, times 1,000) are taken in the classifier's features, so "+
		"they compare with each other and not with figures in features of other networks. FD is biased in n, which "+
		"every table states; behind it stands the 95 %% interval of a bootstrap of %d over the n pictures. KID is "+
		"unbiased; behind it stands the deviation over its subsets. Precision and recall are those of nearest "+
		"neighbours (k = 3) between the n pictures and as many real ones.\n", e.Sizes.Bootstrap)
}

// distances are the cells of FD, KID, precision and recall.
func (r *row) distances() string {
	return fmt.Sprintf("%.3f (%.3f to %.3f) | %.2f ± %.2f | %.3f | %.3f", r.Frechet.Value, r.Frechet.Low, r.Frechet.High,
		1000*r.KID.Mean, 1000*r.KID.Std, *r.Precision, *r.Recall)
}

// group is the rows of one group that have distances.
func (e *evaluation) group(names ...string) []row {
	var l []row
	for _, name := range names {
		for _, r := range e.Rows {
			if r.Group == name && (r.Frechet != nil || r.Nearest != nil) {
				l = append(l, r)
			}
		}
	}
	return l
}

func (e *evaluation) quality(line printer) {
	rows := e.group("quality", "baseline")
	if len(rows) == 0 {
		return
	}
	line("## Distance from real pictures\n")
	line("| pictures | n | FD | KID | precision | recall |\n|---|--:|--:|--:|--:|--:|")
	for _, r := range rows {
		title := r.Title
		if r.Draw != nil {
			title = fmt.Sprintf("%s, %s, %d steps", e.Model.Ref, title, r.Draw.Steps)
		}
		line("| %s | %d | %s |", title, r.N, r.distances())
	}
	line("\nReal pictures against other real pictures are the floor: at it, this distance cannot tell a model from the " +
		"data. Noise, and pictures whose pixels are drawn one by one, are the ceiling: everything that is no digit is " +
		"about as far. The Gaussian with the full covariance of the training pictures is what principal components can " +
		"do. Classes in turn are exactly balanced, which a random sample is not: that lowers the distance a little, the " +
		"more the smaller n is.\n")
}

func (e *evaluation) steps(line printer, group, title, how string) {
	rows := e.group(group)
	if len(rows) == 0 {
		return
	}
	var long, ten, fast, base *row
	for i := range rows {
		switch r := &rows[i]; fmt.Sprintf("%s-%d", r.Draw.Sampler, r.Draw.Steps) {
		case "ddim-10":
			ten = r
		case "dpmpp_2m-10":
			fast = r
		case "ddim-50":
			base = r
		default:
			if r.Draw.Sampler == "ddpm" {
				long = r
			}
		}
	}
	line("## %s\n", title)
	line("All from the same noise, %s. Evaluations are those of the network a picture: Heun needs two in most steps, so "+
		"it is to be compared with a method of as many evaluations.\n", how)
	line("| sampler | steps | evaluations | n | FD | KID | precision | recall | pictures/s |")
	line("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
	for _, r := range rows {
		line("| %s | %d | %d | %d | %s | %s |", r.Title, r.Draw.Steps, r.Draw.Evaluations, r.N, r.distances(),
			number(r.Draw.PerSecond))
	}
	line("")
	for _, evaluations := range []int{10, 20} {
		var equal []string
		for _, r := range rows {
			if r.Draw.Evaluations == evaluations {
				equal = append(equal, fmt.Sprintf("%s %.3f", r.Title, r.Frechet.Value))
			}
		}
		if len(equal) > 1 {
			line("- FD at %d evaluations: %s", evaluations, strings.Join(equal, ", "))
		}
	}
	if long != nil && base != nil {
		line("- FD of 50 DDIM steps over that of %d DDPM steps: %.3f", long.Draw.Steps,
			base.Frechet.Value/long.Frechet.Value)
	}
	if fast != nil && ten != nil {
		line("- FD of 10 DPM-Solver++ 2M steps over that of 10 DDIM steps: %.3f", fast.Frechet.Value/ten.Frechet.Value)
	}
	line("")
}

func (e *evaluation) guidance(line printer) {
	rows := e.group("guidance")
	if len(rows) == 0 {
		return
	}
	line("## Guidance\n")
	line("Classes in turn, as many pictures of each, %d steps of DDIM. Class match is how often the classifier sees "+
		"the class that was asked for; of real pictures it is right %.2f %% of the time.\n", rows[0].Draw.Steps,
		100*e.Classifier.Accuracy.Share)
	line("| guidance | n | class match | FD | KID | precision | recall | pictures/s |\n|--:|--:|--:|--:|--:|--:|--:|--:|")
	for _, r := range rows {
		line("| %g | %d | %s | %s | %s |", r.Draw.Guidance, r.N, *r.ClassMatch, r.distances(), number(r.Draw.PerSecond))
	}
	line("\nGuidance 1 is none. More of it makes the class clearer and the pictures less varied; FD and recall show " +
		"the price.\n")
}

func (e *evaluation) memory(line printer) {
	for _, r := range e.group("memory") {
		n := r.Nearest
		line("## Copies of training pictures\n")
		line("Euclidean distance to the nearest of the %d training pictures, pixels in [-1, 1].\n", n.Training)
		line("| pictures | n | mean | median | nearest 1 %% | nearest |\n|---|--:|--:|--:|--:|--:|")
		for _, s := range []struct {
			title string
			spread
		}{{"generated", n.Generated}, {"real, split report", n.Real}} {
			line("| %s | %d | %.2f | %.2f | %.2f | %.2f |", s.title, r.N, s.Mean, s.Median, s.First, s.Min)
		}
		line("\nCopies would lie far nearer than real pictures that the model has not seen. %.1f %% of the generated "+
			"pictures are nearer than the nearest 1 %% of those real ones.\n", 100*n.Closer)
	}
}

// short is the handful of figures for README.md.
func (e *evaluation) short() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("| pictures | n | FD | KID x 1,000 |\n|---|--:|--:|--:|")
	for _, r := range e.group("quality", "baseline") {
		if r.N != e.Sizes.N {
			continue
		}
		title := r.Title
		if r.Draw != nil {
			title = fmt.Sprintf("%s, %s, %d steps", e.Model.Ref, title, r.Draw.Steps)
		}
		line("| %s | %d | %.2f | %.2f |", title, r.N, r.Frechet.Value, 1000*r.KID.Mean)
	}
	for _, r := range e.group("guidance") {
		if r.Draw.Guidance == e.Sizes.Guidance {
			line("\nClass match under guidance %g: %s, n = %d.", r.Draw.Guidance, *r.ClassMatch, r.N)
		}
	}
	return b.String()
}
