// Package dbn holds deep belief networks: layers of binary units of which the top two form a restricted Boltzmann
// machine and the others are drawn downwards, each given the one above (Hinton et al., "A Fast Learning
// Algorithm for Deep Belief Nets", 2006):
//
//	p(v, h1, ..., hL) = p(v | h1) p(h1 | h2) ... p(h(L-1), hL),   p(h(l-1) | hl) = sigmoid(g + G'hl) unit by unit.
//
// Upwards, separate recognition weights give the factorial approximation q(hl | h(l-1)) = sigmoid(r + R'h(l-1)).
//
// Key of letters in shapes: B rows, P pixels, N the units of the layer below the top machine's hidden one (the
// penultimate layer), H the top machine's hidden units, L labels.
//
// Invariants:
//   - Layers are learned one after the other as machines; the data of a layer are the hidden units of the one below.
//     At that time generation has the transposed weights of recognition; Assemble unties them.
//   - Labels, where there are any, are visible units of the top machine beside the penultimate layer, one of which is
//     on: clamping one makes the network dream of a class.
//   - Every draw is a function of (seed, chain or picture, sweep, layer).
package dbn
