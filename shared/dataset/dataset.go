package dataset

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// Dataset is a fixed, ordered set of pictures of one size. Implementations are safe for concurrent use.
type Dataset interface {
	// Len is the number of pictures.
	Len() int
	// Shape is the height, width and channels of every picture; channels are 1 (gray), 3 (RGB) or 4 (RGBA, not
	// premultiplied).
	Shape() (h, w, c int)
	// Classes names the labels, in order; it is empty for a set without labels.
	Classes() []string
	// Label is the class of picture i, or -1 where the set has no labels.
	Label(i int) int
	// Picture writes picture i to dst, which has h*w*c elements, as [h, w, c] in [-1, 1]. An index out of range or
	// a dst of another length is an error.
	Picture(i int, dst []float32) error
	// Hash is the SHA-256 of everything that defines the set, in hexadecimal.
	Hash() string
}

// Pictures is a Dataset of 8-bit pictures in memory.
type Pictures struct {
	h, w, c int
	data    []byte
	labels  []int32 // nil without labels
	classes []string
	hash    string
}

// NewPictures makes a set of n pictures from their bytes, n x h x w x c. labels is nil or holds n indices into
// classes. The slices are kept, not copied. Errors are of kind fault.Invalid.
func NewPictures(data []byte, h, w, c int, labels []int32, classes []string) (*Pictures, error) {
	const op = "dataset.NewPictures"
	if h < 1 || w < 1 || !slices.Contains([]int{1, 3, 4}, c) || h > maxSide || w > maxSide {
		return nil, fault.E(fault.Invalid, "BAD_SHAPE", op,
			"pictures of %dx%dx%d, allowed are sides of 1 to %d and 1, 3 or 4 channels", h, w, c, maxSide)
	}
	size := h * w * c
	if len(data)%size != 0 {
		return nil, fault.E(fault.Invalid, "BAD_SHAPE", op, "%d bytes are no whole number of pictures of %dx%dx%d",
			len(data), h, w, c)
	}
	n := len(data) / size
	if labels != nil && len(labels) != n {
		return nil, fault.E(fault.Invalid, "BAD_LABELS", op, "%d labels for %d pictures", len(labels), n)
	}
	for i, l := range labels {
		if l < 0 || int(l) >= len(classes) {
			return nil, fault.E(fault.Invalid, "BAD_LABELS", op, "label %d of picture %d, there are %d classes", l, i,
				len(classes))
		}
	}
	p := &Pictures{h: h, w: w, c: c, data: data, labels: labels, classes: classes}
	p.hash = p.digest()
	return p, nil
}

func (p *Pictures) digest() string {
	d := newDigest("pictures", p.h, p.w, p.c, len(p.labels), len(p.classes))
	for _, name := range p.classes {
		d.text(name)
	}
	for _, l := range p.labels {
		d.number(int(l))
	}
	d.h.Write(p.data)
	return d.sum()
}

// Len is the number of pictures.
func (p *Pictures) Len() int { return len(p.data) / (p.h * p.w * p.c) }

// Shape is the height, width and channels of every picture.
func (p *Pictures) Shape() (h, w, c int) { return p.h, p.w, p.c }

// Classes names the labels. The slice is shared and must not be changed.
func (p *Pictures) Classes() []string { return p.classes }

// Label is the class of picture i, -1 without labels. It panics, as an index does, where there is no picture i.
func (p *Pictures) Label(i int) int {
	if p.labels == nil {
		return -1
	}
	return int(p.labels[i])
}

// Hash is the SHA-256 of shape, classes, labels and bytes.
func (p *Pictures) Hash() string { return p.hash }

// Bytes is picture i as 8-bit values, shared with the set.
func (p *Pictures) Bytes(i int) []byte {
	size := p.h * p.w * p.c
	return p.data[i*size : (i+1)*size : (i+1)*size]
}

// Picture writes picture i to dst in [-1, 1].
func (p *Pictures) Picture(i int, dst []float32) error {
	if err := checkPicture(p, i, len(dst)); err != nil {
		return err
	}
	src := p.Bytes(i)
	dst = dst[:len(src)] // said once, not checked for every pixel
	for j, v := range src {
		dst[j] = signed[v]
	}
	return nil
}

// checkPicture refuses an index or a destination that does not fit.
func checkPicture(d Dataset, i, n int) error {
	h, w, c := d.Shape()
	if i < 0 || i >= d.Len() || n != h*w*c {
		return fault.E(fault.Invalid, "BAD_INDEX", "dataset.Picture",
			"picture %d into %d numbers, allowed are 0 to %d into %d", i, n, d.Len()-1, h*w*c)
	}
	return nil
}

// signed is (2v-255)/255 for every byte v: -1 and 1 at the ends, symmetric about 127.5.
var signed = func() (t [256]float32) {
	for v := range t {
		t[v] = float32(2*v-255) / 255
	}
	return t
}()

// unsigned is ToUnit of signed.
var unsigned = func() (t [256]float32) {
	copy(t[:], signed[:])
	ToUnit(t[:])
	return t
}()

// UnitPicture is Picture and then ToUnit, in one pass where the set is of 8-bit pictures in memory or a range of one.
func UnitPicture(d Dataset, i int, dst []float32) error {
	if s, ok := d.(*subset); ok {
		if err := checkPicture(s, i, len(dst)); err != nil {
			return err
		}
		return UnitPicture(s.Dataset, s.from+i, dst)
	}
	p, ok := d.(*Pictures)
	if !ok {
		err := d.Picture(i, dst)
		ToUnit(dst)
		return err
	}
	if err := checkPicture(p, i, len(dst)); err != nil {
		return err
	}
	src, table := p.Bytes(i), &unsigned
	dst = dst[:len(src)]
	for j, v := range src {
		dst[j] = table[v]
	}
	return nil
}

// ToUnit maps numbers from [-1, 1] to [0, 1] in place, as models with Bernoulli outputs want them.
func ToUnit(x []float32) {
	for i, v := range x {
		x[i] = (v + 1) * 0.5
	}
}

// ToByte is the inverse of the mapping of Picture for 8-bit values: x in [-1, 1] to 0..255, to the nearest, halves
// up, with what lies outside or is NaN put to the nearer end or to 0.
func ToByte(x float32) byte {
	switch {
	case !(x > -1):
		return 0
	case x >= 1:
		return 255
	}
	return byte(float64(float64(x)*127.5) + 128)
}

// subset is a range of another set.
type subset struct {
	Dataset
	from, n int
	hash    string
}

// Range is the part of d from element from up to, not including, element to. Errors are of kind fault.Invalid.
func Range(d Dataset, from, to int) (Dataset, error) {
	if from < 0 || to < from || to > d.Len() {
		return nil, fault.E(fault.Invalid, "BAD_RANGE", "dataset.Range", "%d to %d of a set of %d", from, to, d.Len())
	}
	if from == 0 && to == d.Len() {
		return d, nil
	}
	g := newDigest("range", from, to)
	g.text(d.Hash())
	return &subset{Dataset: d, from: from, n: to - from, hash: g.sum()}, nil
}

func (s *subset) Len() int { return s.n }

func (s *subset) Hash() string { return s.hash }

func (s *subset) Label(i int) int {
	if i < 0 || i >= s.n {
		panic(fmt.Sprintf("dataset: label %d of a range of %d", i, s.n))
	}
	return s.Dataset.Label(s.from + i)
}

func (s *subset) Picture(i int, dst []float32) error {
	if err := checkPicture(s, i, len(dst)); err != nil {
		return err
	}
	return s.Dataset.Picture(s.from+i, dst)
}

// digest is a SHA-256 over self-delimiting parts.
type digest struct{ h hash.Hash }

func newDigest(kind string, numbers ...int) digest {
	d := digest{sha256.New()}
	d.text(kind)
	for _, n := range numbers {
		d.number(n)
	}
	return d
}

func (d digest) number(n int) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(n))
	d.h.Write(b[:])
}

func (d digest) text(s string) {
	d.number(len(s))
	d.h.Write([]byte(s))
}

func (d digest) sum() string { return hex.EncodeToString(d.h.Sum(nil)) }

// shuffled is p in the fixed random order in which sorted sets are registered: that of seed 0.
func (p *Pictures) shuffled() *Pictures {
	size := p.h * p.w * p.c
	q := &Pictures{h: p.h, w: p.w, c: p.c, data: make([]byte, 0, len(p.data)), classes: p.classes}
	for _, i := range rng.New(0).Perm(p.Len(), 0) {
		q.data = append(q.data, p.data[int(i)*size:(int(i)+1)*size]...)
		if p.labels != nil {
			q.labels = append(q.labels, p.labels[i])
		}
	}
	q.hash = q.digest()
	return q
}
