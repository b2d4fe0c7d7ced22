package ngram

import (
	"math/bits"
	"slices"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Smoothing says how much of a context's probability goes to tokens that were not seen in it.
type Smoothing string

// The smoothings, as in Chen and Goodman, "An empirical study of smoothing techniques for language modeling", 1998.
const (
	// Laplace adds K to every count; a context that was not seen gives every token the same.
	Laplace Smoothing = "laplace"
	// Katz discounts counts of up to five by Good and Turing's estimate and backs off.
	Katz Smoothing = "katz"
	// JelinekMercer interpolates relative frequencies; the weights, one for every length and class of a context's
	// count, maximise the likelihood of every occurrence held out from the counts in turn.
	JelinekMercer Smoothing = "jelinek_mercer"
	// WittenBell takes the number of different followers for the count of new ones.
	WittenBell Smoothing = "witten_bell"
	// Absolute takes one discount from every count and interpolates.
	Absolute Smoothing = "absolute"
	// KneserNey is Absolute with the shorter n-grams counted by what they follow.
	KneserNey Smoothing = "kneser_ney"
	// ModifiedKneserNey has three discounts, as KenLM.
	ModifiedKneserNey Smoothing = "modified_kneser_ney"
)

// Smoothings are all of them, from the simplest on.
func Smoothings() []Smoothing {
	return []Smoothing{Laplace, Katz, JelinekMercer, WittenBell, Absolute, KneserNey, ModifiedKneserNey}
}

func (s Smoothing) continuation() bool { return s == KneserNey || s == ModifiedKneserNey }

func (s Smoothing) check(op string) error {
	if !slices.Contains(Smoothings(), s) {
		return fault.InvalidField(op, "smoothing", "%q: one of %v is needed", s, Smoothings())
	}
	return nil
}

// followers describe what was seen after a context.
type followers struct {
	total  float64    // of their counts
	pruned float64    // the part of total that belongs to those that the model does not keep
	kept   [4]float64 // how many are kept: with a count of 1, 2, 3 or more
	mass   float64    // what is left of their counts after discounting
}

func (f *followers) types() float64 { return f.kept[1] + f.kept[2] + f.kept[3] }

// katzLimit is the greatest count that Katz discounts.
const katzLimit = 5

// jmClasses is the number of classes of contexts: by the number of binary digits of their count.
const jmClasses = 24

// rule is a smoothing with its parameters for n-grams of one length.
type rule struct {
	smoothing Smoothing
	fallback  bool                   // discounts that the counts do not give
	discount  [4]float64             // of counts 1, 2, 3 and more
	ratio     [katzLimit + 1]float64 // of Katz
	lambda    [jmClasses]float64
	kv        float64 // of Laplace: K times the vocabulary
}

// newRule estimates a rule from n, the numbers of n-grams with counts of 1 to 6 (n[1] to n[6]).
func newRule(s Smoothing, n [katzLimit + 2]float64, kv float64) rule {
	r := rule{smoothing: s, kv: kv}
	switch s {
	case ModifiedKneserNey:
		r.modified(n)
	case KneserNey, Absolute:
		d := n[1] / (n[1] + 2*n[2])
		if !(d > 0 && d < 1) {
			d, r.fallback = 0.5, true
		}
		r.discount = [4]float64{0, d, d, d}
	case Katz:
		r.katz(n)
	}
	return r
}

// modified are the discounts of equation 26 of Chen and Goodman, j - (j+1) y n[j+1]/n[j] with y = n[1]/(n[1] + 2n[2]);
// 0.5, 1 and 1.5 where they cannot be had or lie outside of 0 to j, as with lmplz --discount_fallback.
func (r *rule) modified(n [katzLimit + 2]float64) {
	y := n[1] / (n[1] + 2*n[2])
	for j := 1; j <= 3; j++ {
		d := float64(j) - float64(j+1)*y*n[j+1]/n[j]
		if !(d >= 0 && d <= float64(j)) {
			r.discount, r.fallback = [4]float64{0, 0.5, 1, 1.5}, true
			return
		}
		r.discount[j] = d
	}
}

// katz are the ratios of discounted to true counts, (r*/r - a)/(1 - a) with r* = (r+1) n[r+1]/n[r] and
// a = (k+1) n[k+1]/n[1]; k is lowered from 5 until all lie within 0 and 1, and with none a half is taken from ones.
func (r *rule) katz(n [katzLimit + 2]float64) {
	for k := katzLimit; k >= 1; k-- {
		a := float64(k+1) * n[k+1] / n[1]
		fit := true
		for c := range r.ratio {
			r.ratio[c] = 1
			if c >= 1 && c <= k {
				r.ratio[c] = (float64(c+1)*n[c+1]/(float64(c)*n[c]) - a) / (1 - a)
				fit = fit && r.ratio[c] > 0 && r.ratio[c] < 1
			}
		}
		if fit {
			return
		}
	}
	r.fallback = true
	r.ratio = [katzLimit + 1]float64{1, 0.5, 1, 1, 1, 1}
}

// mass is what is left of a count.
func (r *rule) mass(count uint32) float64 {
	c := float64(count)
	if r.smoothing == Katz {
		return c * r.ratio[min(count, katzLimit)*b2u(count <= katzLimit)]
	}
	return c - r.discount[min(count, 3)]
}

func b2u(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// class of a context's count.
func class(total float64) int { return min(bits.Len64(uint64(total)), jmClasses-1) }

// weights gives, for a context, the factor from masses to probabilities and the weight of the shorter context. Katz's
// weight is what the seen tokens leave, not yet divided by what the shorter context gives the unseen ones.
func (r *rule) weights(f *followers) (scale, gamma float64) {
	den := f.total
	switch r.smoothing {
	case WittenBell:
		den += f.types()
		return 1 / den, (f.types() + f.pruned) / den
	case Laplace:
		den += r.kv
		return 1 / den, (r.kv + f.pruned) / den
	case JelinekMercer:
		l := r.lambda[class(den)]
		return l / den, 1 - l + float64(l*f.pruned)/den
	case Katz:
		if !(f.mass < den) {
			den++
		}
		return 1 / den, 1 - f.mass/den
	}
	taken := float64(r.discount[1]*f.kept[1]) + float64(r.discount[2]*f.kept[2]) + float64(r.discount[3]*f.kept[3])
	return 1 / den, (taken + f.pruned) / den
}
