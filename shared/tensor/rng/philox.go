package rng

import "math/bits"

// Multipliers and key increments of Philox 4x32, from the paper's section 4.3 and Random123's philox.h.
const (
	mulA  = 0xD2511F53
	mulB  = 0xCD9E8D57
	bumpA = 0x9E3779B9 // golden ratio
	bumpB = 0xBB67AE85 // sqrt(3)-1
)

// rounds is the number of rounds; ten pass all of BigCrush with a margin of three.
const rounds = 10

// Philox is the generator's bijection: four words for a counter under a key.
func Philox(ctr [4]uint32, key [2]uint32) [4]uint32 {
	for range rounds {
		hiA, loA := bits.Mul32(mulA, ctr[0])
		hiB, loB := bits.Mul32(mulB, ctr[2])
		ctr = [4]uint32{hiB ^ ctr[1] ^ key[0], loB, hiA ^ ctr[3] ^ key[1], loA}
		key[0] += bumpA
		key[1] += bumpB
	}
	return ctr
}

// philox2 is Philox of ctr and of the counter whose first word is one larger.
func philox2(ctr [4]uint32, key [2]uint32) (x, y [4]uint32) {
	a0, a1, a2, a3 := ctr[0], ctr[1], ctr[2], ctr[3]
	b0, b1, b2, b3 := ctr[0]+1, ctr[1], ctr[2], ctr[3]
	k0, k1 := key[0], key[1]
	for range rounds {
		p, q := uint64(a0)*mulA, uint64(a2)*mulB
		r, s := uint64(b0)*mulA, uint64(b2)*mulB
		a0, a1, a2, a3 = uint32(q>>32)^a1^k0, uint32(q), uint32(p>>32)^a3^k1, uint32(p)
		b0, b1, b2, b3 = uint32(s>>32)^b1^k0, uint32(s), uint32(r>>32)^b3^k1, uint32(r)
		k0 += bumpA
		k1 += bumpB
	}
	return [4]uint32{a0, a1, a2, a3}, [4]uint32{b0, b1, b2, b3}
}
