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
